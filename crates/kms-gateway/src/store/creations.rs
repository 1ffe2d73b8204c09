//! Accounts that the TEE was asked to make. Between its yes and the index the gateway may be
//! killed: what is here finishes the account when its client asks again, and brings it into the
//! index when nobody does.

use async_trait::async_trait;
use proto::AccountId;
use uuid::Uuid;

use super::StoreError;
use crate::ceremony::VerifiedRegistration;

/// Of those without an end, this many are looked after at a time.
pub const UNFINISHED_AT_ONCE: u8 = 4;

/// An account that the TEE was, or is about to be, asked to make.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Of the registration.
    pub registration_id: Uuid,
    /// The id asked for.
    pub account_id: AccountId,
    /// The passkey, and what proves it to the TEE. All of it is public.
    pub registration: VerifiedRegistration,
    /// Unix seconds.
    pub asked_at: u64,
    /// Unix seconds: when the registration is good for an account no longer.
    pub expires_at: u64,
}

/// Which creations that led to no account in the index are looked for.
#[derive(Clone, Debug)]
pub enum Unfinished {
    /// Those whose registrations are over, or began while the clock was ahead.
    Expired {
        /// Unix seconds.
        now: u64,
    },
    /// That of this registration.
    Of(Uuid),
    /// Those of this account id.
    Named(AccountId),
}

/// A row of such a creation.
pub struct FoundCreation {
    /// What the store calls it.
    pub row: i64,
    /// `None`: the row can't be read.
    pub creation: Option<Creation>,
}

/// Accounts that are being made.
#[async_trait]
pub trait Creations: Send + Sync {
    /// Notes that the TEE is about to be asked for an account, in place of what was noted of the
    /// same registration. Forgets those whose registrations are over, once their accounts are in
    /// the index, or a day later by the clock and by what has passed.
    ///
    /// # Errors
    /// [`StoreError`]: the TEE must not be asked.
    async fn save_creation(&self, creation: Creation) -> Result<(), StoreError>;

    /// Forgets a creation that led to nothing.
    ///
    /// # Errors
    /// [`StoreError`]: it may be found again.
    async fn forget_creation(&self, registration_id: Uuid) -> Result<(), StoreError>;

    /// Puts a creation that could not be settled behind the others.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn creation_was_tried(&self, row: i64, now: u64) -> Result<(), StoreError>;

    /// Creations whose credential the index does not know: [`UNFINISHED_AT_ONCE`] at most, those
    /// first that were not tried for the longest time.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unfinished_creations(&self, which: &Unfinished) -> Result<Vec<FoundCreation>, StoreError>;
}
