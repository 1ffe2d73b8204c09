//! What the platform attests to, as often as it may be asked.

use std::time::Duration;

use kms_api::status::TaKey;
use proto::command::{Attest, AttestReply};
use proto::{Hash, Status};
use serve::Client;

use super::decision::detached;
use super::{Gateway, GatewayError, QuoteTurn};
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
    /// Waits for the turn of this client to have a quote, for 8 seconds at most. Four of its
    /// requests wait at a time, and one of them at random has the turn. Asks nothing of the TEE.
    ///
    /// # Errors
    /// `attestation_too_soon`.
    pub async fn quote_turn(&self, client: Client) -> Result<QuoteTurn, GatewayError> {
        self.inner.quotes.turn(client).await
    }

    /// Has the TEE attested for this nonce. Whether whoever asks waits for it or not: one at a
    /// time, and `attestation_interval_ms` between two.
    ///
    /// # Errors
    /// `attestation_failed`, or when the TEE does not answer. `attestation_too_soon` when so much
    /// time has passed since the client came that none is left for the quote: the turn is then the
    /// next client's.
    pub async fn attest(&self, nonce: [u8; 32], mut turn: QuoteTurn) -> Result<Attestation, GatewayError> {
        let tee = self.inner.tee.clone();
        let timeout = Duration::from_secs(self.settings().tee_hung_after_seconds).saturating_sub(turn.waited());
        if timeout.is_zero() {
            return Err(turn.give_back("waiting for it left no time for the quote"));
        }
        let reply = detached(async move {
            turn.spend();
            let reply = tee.call_within(timeout, &Attest { nonce }).await;
            // Given back when the TEE is done: a caller who hangs up does not make room for
            // another.
            drop(turn);
            reply.map_err(|error| match error {
                // Built before there was attestation.
                TeeError::Refused(Status::UnknownCommand) => GatewayError::Refused(Status::AttestationFailed),
                error => error.into(),
            })
        })
        .await?;
        let challenge = reply.statement.challenge(&nonce);
        let ta_key = TaKey::of_version(&reply.statement.version);
        Ok(Attestation { reply, challenge, ta_key })
    }
}
