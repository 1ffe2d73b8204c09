//! Claims: which request is the first of its kind. One conformance suite holds every implementation
//! to it.

mod redis;
mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

pub use redis::RedisClaims;
pub use sqlite::SqliteClaims;

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key is ours now; or was already, by a claim whose answer got lost.
    Fresh,
    /// The key is somebody else's.
    Held {
        /// As the first claim named it.
        holder: String,
    },
}

/// Keys that are claimed once, until they expire. Survives a restart.
#[async_trait]
pub trait ClaimStore: Send + Sync {
    /// Claims a key in one step: no two holders get `Fresh` for it before `ttl` is over. `ttl`
    /// counts whole seconds, at least one.
    ///
    /// # Errors
    /// [`ClaimStoreError`]: it is unknown whether it was claimed; claiming again with the same
    /// holder is safe.
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, ClaimStoreError>;

    /// Gives a key back, if it is still that holder's.
    ///
    /// # Errors
    /// [`ClaimStoreError`]: the key stays claimed until it expires.
    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), ClaimStoreError>;

    /// Forgets claims that have ended, where they don't vanish by themselves.
    ///
    /// # Errors
    /// [`ClaimStoreError`].
    async fn tidy(&self) -> Result<(), ClaimStoreError> {
        Ok(())
    }

    /// Whether a claim is likely to be made now. Anybody may have this asked, so it costs the disk
    /// nothing while claims work.
    ///
    /// # Errors
    /// [`ClaimStoreError`].
    async fn takes_claims(&self) -> Result<(), ClaimStoreError> {
        self.ready().await
    }

    /// Whether claims can be made.
    ///
    /// # Errors
    /// [`ClaimStoreError`].
    async fn ready(&self) -> Result<(), ClaimStoreError>;
}

/// The claims cannot be reached.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct ClaimStoreError {
    /// For the log.
    pub detail: String,
}

impl ClaimStoreError {
    pub(crate) fn new(detail: impl ToString) -> Self {
        Self { detail: detail.to_string() }
    }
}
