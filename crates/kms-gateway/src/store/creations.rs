//! Accounts that the TEE was asked to create. The gateway may be killed between the TEE's answer
//! and the index: these rows complete the account when its client retries, and add it to the index
//! when no client does.

use async_trait::async_trait;
use proto::AccountId;
use uuid::Uuid;

use super::StoreError;
use crate::ceremony::VerifiedRegistration;

/// Maximum number of unfinished creations handled at a time.
pub const UNFINISHED_AT_ONCE: u8 = 4;

/// An account that the TEE was, or is about to be, asked to create.
#[derive(Clone, Debug)]
pub struct Creation {
    /// The id of the registration.
    pub registration_id: Uuid,
    /// The requested id.
    pub account_id: AccountId,
    /// The passkey, and its proof for the TEE. All of it is public.
    pub registration: VerifiedRegistration,
    /// Unix seconds.
    pub asked_at: u64,
    /// Unix seconds: when the registration expires.
    pub expires_at: u64,
}

/// Selects creations that led to no account in the index.
#[derive(Clone, Debug)]
pub enum Unfinished {
    /// Those whose registrations have expired, or began while the clock was ahead.
    Expired {
        /// Unix seconds.
        now: u64,
    },
    /// The one of this registration.
    Of(Uuid),
    /// Those with this account id.
    Named(AccountId),
}

/// A row of such a creation.
pub struct FoundCreation {
    /// The row's id in the store.
    pub row: i64,
    /// `None` if the row cannot be parsed.
    pub creation: Option<Creation>,
}

/// Accounts whose creation is in progress.
#[async_trait]
pub trait Creations: Send + Sync {
    /// Records that the TEE is about to be asked for an account, replacing the record of the same
    /// registration. Deletes some of those whose registrations expired more than a day ago, by both
    /// the clock and the elapsed time. How long that takes does not depend on the number of
    /// records.
    ///
    /// # Errors
    /// [`StoreError`]: the TEE must not be called.
    async fn save_creation(&self, creation: Creation) -> Result<(), StoreError>;

    /// Deletes a creation that led to no account.
    ///
    /// # Errors
    /// [`StoreError`]: it may be found again.
    async fn forget_creation(&self, registration_id: Uuid) -> Result<(), StoreError>;

    /// Moves a creation that could not be settled behind the others.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn creation_was_tried(&self, row: i64, now: u64) -> Result<(), StoreError>;

    /// Creations whose credential is not in the index ([`save_account`] deletes the others): at
    /// most [`UNFINISHED_AT_ONCE`], least recently tried first.
    ///
    /// [`save_account`]: super::AccountIndex::save_account
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unfinished_creations(&self, which: &Unfinished) -> Result<Vec<FoundCreation>, StoreError>;
}
