//! The account index: for counting and for support. The TEE decides whose account it is.

use async_trait::async_trait;
use proto::AccountId;
use proto::command::WalletInfo;

use super::StoreError;

/// An account as it was made.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// What the TEE answered.
    pub wallet: WalletInfo,
    /// The credential it was made with.
    pub credential_id: Vec<u8>,
    /// Unix seconds.
    pub created_at: u64,
}

/// Accounts that were made here.
#[async_trait]
pub trait AccountIndex: Send + Sync {
    /// Adds an account. Where its id or its credential is there already, all stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it is there; it may be added again.
    async fn save_account(&self, account: AccountEntry) -> Result<(), StoreError>;

    /// The account made with this credential.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn account_of_credential(&self, credential_id: &[u8]) -> Result<Option<AccountId>, StoreError>;

    /// Whether there is an account of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn has_account(&self, account_id: &AccountId) -> Result<bool, StoreError>;

    /// How many accounts there are.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_accounts(&self) -> Result<u64, StoreError>;
}
