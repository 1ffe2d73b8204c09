//! What the platform vouches for.

use proto::command::{Attest, AttestReply};
use proto::{Hash, Status};

use super::{Gateway, GatewayError};
use crate::protection::TaKey;
use crate::tee::TeeError;

/// A statement of the trusted application, and the platform's quote over it where it gives one.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// The statement and the quote.
    pub reply: AttestReply,
    /// What the quote is over: the statement, bound to the nonce.
    pub challenge: Hash,
    /// Whose key the trusted application says signed it.
    pub ta_key: Option<TaKey>,
}

impl Gateway {
    /// Has the TEE attested for this nonce.
    ///
    /// # Errors
    /// `tee_busy` while another attestation is made, `attestation_failed`, or when the TEE does not answer.
    pub async fn attest(&self, nonce: [u8; 32]) -> Result<Attestation, GatewayError> {
        let _turn = self.inner.attesting.try_acquire().map_err(|_| GatewayError::TeeBusy)?;
        let reply = self.inner.tee.call(&Attest { nonce }).await.map_err(|error| match error {
            // Built before there was attestation.
            TeeError::Refused(Status::UnknownCommand) => GatewayError::Refused(Status::AttestationFailed),
            error => error.into(),
        })?;
        let challenge = reply.statement.challenge(&nonce);
        let ta_key = TaKey::of_version(&reply.statement.version);
        Ok(Attestation { reply, challenge, ta_key })
    }
}
