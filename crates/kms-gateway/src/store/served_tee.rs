//! Which TEE is served: one that has lost its state must not be taken for a new one.

use async_trait::async_trait;
use proto::{Address, TeeId};

use super::StoreError;
use crate::transport::TeeName;

/// The TEE that was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedTeeRow {
    /// What it is known by.
    pub name: TeeName,
    /// Its paymaster signer when it was noted.
    pub paymaster_signer: Address,
}

/// The one TEE.
#[async_trait]
pub trait ServedTees: Send + Sync {
    /// The TEE that was served.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn served_tee(&self) -> Result<Option<ServedTeeRow>, StoreError>;

    /// Records the TEE that is served, if none was, or its id, if that was not known. The first one
    /// stays until it is forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remember_tee(&self, tee_id: TeeId, paymaster_signer: Address) -> Result<(), StoreError>;

    /// Forgets the TEE that was served.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_tee(&self) -> Result<(), StoreError>;
}
