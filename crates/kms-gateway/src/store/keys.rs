//! The key that seals registrations in progress.

use async_trait::async_trait;

use super::StoreError;
use crate::ceremony::SealingKey;

/// The gateway's own keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The key that seals registrations in progress: random, created once, and the same after each
    /// restart.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn registration_key(&self) -> Result<SealingKey, StoreError>;
}
