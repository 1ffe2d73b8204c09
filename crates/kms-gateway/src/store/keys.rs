//! The key that registrations under way are sealed with.

use async_trait::async_trait;

use super::StoreError;
use crate::ceremony::SealingKey;

/// Keys of the gateway's own.
#[async_trait]
pub trait Keys: Send + Sync {
    /// What registrations under way are sealed with: random, made once, the same after each
    /// restart.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn registration_key(&self) -> Result<SealingKey, StoreError>;
}
