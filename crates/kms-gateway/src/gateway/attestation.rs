//! Attestation by the platform, rate-limited.

use std::time::Duration;

use kms_api::status::TaKey;
use proto::command::{Attest, AttestReply};
use proto::{Hash, Status};
use serve::Client;

use super::decision::detached;
use super::{Gateway, GatewayError, QuoteTurn};
use crate::tee::TeeError;

/// A statement of the trusted application, and the platform's quote over it if there is one.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// The statement and the quote.
    pub reply: AttestReply,
    /// The challenge that the quote covers: the statement, bound to the nonce.
    pub challenge: Hash,
    /// The key that signed the trusted application, according to itself.
    pub ta_key: Option<TaKey>,
}

impl Gateway {
    /// Waits for this client's turn to get a quote, for at most 8 seconds. Up to four of its
    /// requests wait at a time, and a random one of them gets the turn. Makes no call to the TEE.
    ///
    /// # Errors
    /// `attestation_too_soon`.
    pub async fn quote_turn(&self, client: Client) -> Result<QuoteTurn, GatewayError> {
        self.inner.quotes.turn(client).await
    }

    /// Has the TEE attested for this nonce, whether or not the caller keeps waiting: one at a time,
    /// at intervals of `attestation_interval_ms`.
    ///
    /// # Errors
    /// `attestation_failed`, or if the TEE does not answer. `attestation_too_soon` if so much time
    /// has passed since the client arrived that none is left for the quote: the turn then goes to
    /// the next client.
    pub async fn attest(&self, nonce: [u8; 32], mut turn: QuoteTurn) -> Result<Attestation, GatewayError> {
        let tee = self.inner.tee.clone();
        let timeout = Duration::from_secs(self.settings().tee_hung_after_seconds).saturating_sub(turn.waited());
        if timeout.is_zero() {
            return Err(turn.give_back("waiting left no time for the quote"));
        }
        let reply = detached(async move {
            turn.spend();
            let reply = tee.call_within(timeout, &Attest { nonce }).await;
            // Released when the TEE is done: a caller that hangs up does not make room for another.
            drop(turn);
            reply.map_err(|error| match error {
                // Built before attestation existed.
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
