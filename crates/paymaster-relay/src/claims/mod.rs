//! Claims: which request is the first of its kind. One conformance suite tests every
//! implementation.

mod redis;
mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

pub use redis::RedisClaims;
pub use sqlite::SqliteClaims;

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key now belongs to this holder; or it already did, by a claim whose answer was lost.
    Fresh,
    /// The key belongs to another holder.
    Held {
        /// As named by the first claim.
        holder: String,
    },
    /// Nothing was claimed: the store of sponsorships is to be asked for an earlier one, and
    /// accepts one reservation.
    LeftToReservation,
}

/// Keys that can be claimed once, until they expire. Durable over restarts.
#[async_trait]
pub trait ClaimStore: Send + Sync {
    /// Claims a key in one step: no two holders get `Fresh` for it before `ttl` has passed. `ttl`
    /// counts whole seconds, at least one. A store without claims always answers
    /// `LeftToReservation`.
    ///
    /// # Errors
    /// [`ClaimStoreError`]: it is unknown whether it was claimed; claiming again with the same
    /// holder is safe.
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, ClaimStoreError>;

    /// Releases a key if it still belongs to that holder.
    ///
    /// # Errors
    /// [`ClaimStoreError`]: the key stays claimed until it expires.
    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), ClaimStoreError>;

    /// Deletes expired claims, if the store does not do so itself.
    ///
    /// # Errors
    /// [`ClaimStoreError`].
    async fn tidy(&self) -> Result<(), ClaimStoreError> {
        Ok(())
    }

    /// Whether a claim would probably succeed now. Unauthenticated callers can trigger this, so it
    /// costs no disk access while claims succeed.
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

/// The store of claims cannot be reached.
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
