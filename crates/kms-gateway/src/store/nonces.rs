//! Nonces of relay keys: each is valid once within the allowed time difference of a request.

use async_trait::async_trait;
use proto::Address;

use super::StoreError;

/// Seconds for which a nonce is held. A timestamp may be from 300 s ahead to 300 s behind, so a
/// request can be replayed for this long.
pub const HOLD_SECONDS: u64 = 600;
/// The nonce of a request.
#[derive(Clone, Copy, Debug)]
pub struct NonceClaim {
    /// The relay key, recovered from its signature.
    pub signer: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Unix seconds.
    pub now: u64,
}

/// The outcome of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Never seen, or long ago.
    Fresh,
    /// Seen within [`HOLD_SECONDS`].
    Replayed,
}

/// The nonces that were used, durable over restarts.
#[async_trait]
pub trait Nonces: Send + Sync {
    /// Claims a relay key's nonce in one step: of equal concurrent claims, one is fresh. It is held
    /// for [`HOLD_SECONDS`] of both the clock and the elapsed time: a clock that is briefly ahead
    /// does not make it valid again.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was claimed.
    async fn claim_nonce(&self, claim: NonceClaim) -> Result<Claim, StoreError>;

    /// Releases a nonce that this claim, and no later one, obtained: its request had no effect, and
    /// may be sent again unchanged.
    ///
    /// # Errors
    /// [`StoreError`]: it may stay claimed.
    async fn release_nonce(&self, claim: NonceClaim) -> Result<(), StoreError>;
}
