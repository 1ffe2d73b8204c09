//! The TEE that is served: a TEE that has lost its state must not be mistaken for a new one.

use async_trait::async_trait;
use proto::{Address, TeeId};

use super::StoreError;
use crate::transport::TeeName;

/// The TEE that was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedTeeRow {
    /// Its name.
    pub name: TeeName,
    /// Its paymaster signer when it was recorded.
    pub paymaster_signer: Address,
}

/// Storage of the served TEE.
#[async_trait]
pub trait ServedTees: Send + Sync {
    /// The TEE that was served.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn served_tee(&self) -> Result<Option<ServedTeeRow>, StoreError>;

    /// Records the TEE that is served, if there was none, or its id, if that was not known. The
    /// first one remains until it is forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remember_tee(&self, tee_id: TeeId, paymaster_signer: Address) -> Result<(), StoreError>;

    /// Forgets the TEE that was served, and the permissions to create accounts in it: they were
    /// given to credentials that anyone could register at the next one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_tee(&self) -> Result<(), StoreError>;
}
