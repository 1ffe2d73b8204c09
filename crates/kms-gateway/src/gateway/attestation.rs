//! What the platform vouches for, as often as it may be asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::command::{Attest, AttestReply};
use proto::{Hash, Status};

use super::decision::detached;
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
    /// Whether a quote could be had now. Asks nothing of the TEE.
    ///
    /// # Errors
    /// `attestation_too_soon`.
    pub fn may_attest(&self) -> Result<(), GatewayError> {
        self.inner.quotes.due().map(drop)
    }

    /// Has the TEE attested for this nonce. Whoever asks, and whether they wait for it or not: one at a time, and
    /// `attestation_interval_ms` between two.
    ///
    /// # Errors
    /// `attestation_too_soon`, `attestation_failed`, or when the TEE does not answer.
    pub async fn attest(&self, nonce: [u8; 32]) -> Result<Attestation, GatewayError> {
        let turn = self.inner.quotes.take()?;
        let tee = self.inner.tee.clone();
        let timeout = Duration::from_secs(self.settings().tee_hung_after_seconds);
        let reply = detached(async move {
            // Given back when the TEE is done: a caller who hangs up does not make room for another.
            let _turn = turn;
            tee.call_within(timeout, &Attest { nonce }).await.map_err(|error| match error {
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

/// Rations quotes.
pub(super) struct Quotes {
    interval: Duration,
    next: Mutex<Next>,
}

enum Next {
    Now,
    WhenTheOneUnderWayEnds,
    At(Instant),
}

/// To be dropped when the quote is made.
struct Turn(Arc<Quotes>);

impl Quotes {
    pub(super) fn new(interval: Duration) -> Arc<Self> {
        Arc::new(Self { interval, next: Mutex::new(Next::Now) })
    }

    fn take(self: &Arc<Self>) -> Result<Turn, GatewayError> {
        *self.due()? = Next::WhenTheOneUnderWayEnds;
        Ok(Turn(Arc::clone(self)))
    }

    fn due(&self) -> Result<MutexGuard<'_, Next>, GatewayError> {
        let next = self.next();
        let wait = match *next {
            Next::Now => Duration::ZERO,
            Next::WhenTheOneUnderWayEnds => self.interval,
            Next::At(time) => time.saturating_duration_since(Instant::now()),
        };
        if !wait.is_zero() {
            let retry_after_seconds = wait.as_secs().saturating_add(1);
            return Err(GatewayError::AttestationTooSoon { retry_after_seconds });
        }
        Ok(next)
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.next() = Next::At(Instant::now() + self.0.interval);
    }
}
