//! The account index, for counting and support. The TEE decides whose an account is.

use async_trait::async_trait;
use proto::AccountId;
use proto::command::WalletInfo;

use super::{AuditRecord, StoreError};

/// A created account.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// The TEE's answer.
    pub wallet: WalletInfo,
    /// The credential it was created with.
    pub credential_id: Vec<u8>,
    /// Unix seconds.
    pub created_at: u64,
}

/// The accounts created here.
#[async_trait]
pub trait AccountIndex: Send + Sync {
    /// Adds an account, and to the audit the row of its creation: both or neither. If its id or its
    /// credential already exists, nothing changes. Returns whether it was added.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was added; adding it again is safe.
    async fn save_account(&self, account: AccountEntry, row: AuditRecord) -> Result<bool, StoreError>;

    /// The account created with this credential.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn account_of_credential(&self, credential_id: &[u8]) -> Result<Option<AccountId>, StoreError>;

    /// Whether there is an account with this id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn has_account(&self, account_id: &AccountId) -> Result<bool, StoreError>;

    /// The number of accounts.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_accounts(&self) -> Result<u64, StoreError>;
}
