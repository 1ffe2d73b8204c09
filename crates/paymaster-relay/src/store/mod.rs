//! What is remembered: every sponsorship from its reservation to its settlement.

mod gwei;
mod record;
mod rows;
mod sqlite;

use async_trait::async_trait;
use proto::{AccountId, IntentHash, UserOpHash};
use thiserror::Error;

pub use gwei::Gwei;
pub use record::{NewSponsorship, Record, Settlement, Signed, SponsorshipId, State};
pub use sqlite::SqliteStore;

use crate::catalogue::Deployment;

/// Sponsorships on durable storage. Every change is one statement that checks and writes; `now` is Unix seconds.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reserves a worst-case cost and records the intent, if the deposit covers it beside what is reserved already.
    ///
    /// # Errors
    /// [`StoreError`]: nobody knows whether it was recorded; asking again finds out.
    async fn reserve(&self, sponsorship: &NewSponsorship, deposit: Gwei, now: u64) -> Result<Reserved, StoreError>;

    /// The sponsorship of an intent that is reserved, signed or settled, and whose window is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, intent: &IntentHash, now: u64) -> Result<Option<Record>, StoreError>;

    /// The intent that an idempotency key of an account stands for.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn intent_of_key(&self, account_id: &AccountId, key: &str) -> Result<Option<IntentHash>, StoreError>;

    /// Records the signatures. False when the reservation is gone: they must not leave then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record_signed(&self, id: &SponsorshipId, signed: &Signed) -> Result<bool, StoreError>;

    /// Gives a reservation back that nothing was signed for. False when it is signed, or gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release(&self, id: &SponsorshipId) -> Result<bool, StoreError>;

    /// Gives back every reservation whose window is over; how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release_expired(&self, now: u64) -> Result<u64, StoreError>;

    /// What is reserved of a deployment's deposit.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn reserved(&self, deployment: &Deployment, now: u64) -> Result<Gwei, StoreError>;

    /// Records that an operation was mined, and what it cost. False when the operation is not one of ours.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn settle(&self, hash: &UserOpHash, settlement: &Settlement) -> Result<bool, StoreError>;

    /// The block to read next for a deployment, once one was recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next_block(&self, deployment: &Deployment) -> Result<Option<u64>, StoreError>;

    /// Records the block to read next.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_next_block(&self, deployment: &Deployment, block: u64) -> Result<(), StoreError>;

    /// Whether the store can be written.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ready(&self) -> Result<(), StoreError>;
}

/// What came of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Recorded.
    Yes,
    /// The intent has a living sponsorship already.
    Already,
    /// The idempotency key of that account stands for another intent.
    KeyTaken,
    /// The deposit does not cover it.
    DepositTooLow {
        /// By others.
        reserved: Gwei,
    },
}

/// The store cannot answer: gone, full, or holding what it never wrote.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct StoreError {
    /// For the log.
    pub detail: String,
}

impl StoreError {
    pub(crate) fn new(detail: impl ToString) -> Self {
        Self { detail: detail.to_string() }
    }
}
