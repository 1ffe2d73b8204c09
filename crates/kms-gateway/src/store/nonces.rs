//! Nonces of relay keys: each is good once in the time a request may be late or early.

use async_trait::async_trait;
use proto::Address;

use super::StoreError;

/// Seconds a nonce is held. A timestamp may be 300 s ahead at first and 300 s behind at last, so a
/// request can come again for this long.
pub const HOLD_SECONDS: u64 = 600;
/// A nonce as a request carries it.
#[derive(Clone, Copy, Debug)]
pub struct NonceClaim {
    /// The relay key, recovered from its signature.
    pub signer: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Unix seconds.
    pub now: u64,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Never seen, or long ago.
    Fresh,
    /// Seen within [`HOLD_SECONDS`].
    Replayed,
}

/// Which nonces were used. What was answered is there after a restart.
#[async_trait]
pub trait Nonces: Send + Sync {
    /// Claims a relay key's nonce in one step: of equal claims at once, one is fresh. It is held
    /// for [`HOLD_SECONDS`] of the clock and of what has passed: a clock that is ahead for a moment
    /// does not make it good again.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was claimed.
    async fn claim_nonce(&self, claim: NonceClaim) -> Result<Claim, StoreError>;

    /// Gives a nonce back that this claim, and no later one, had got: nothing came of its request,
    /// which may be sent again as it is.
    ///
    /// # Errors
    /// [`StoreError`]: it may stay claimed.
    async fn release_nonce(&self, claim: NonceClaim) -> Result<(), StoreError>;
}
