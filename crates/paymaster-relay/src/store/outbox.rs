//! The outbox: events for webhooks about what became of sponsorships.

use async_trait::async_trait;
use proto::{Address, Hash, IntentHash, Wei};

use super::{Contracts, SponsorshipId, StoreError};
use crate::gwei::Gwei;

/// What became of a sponsorship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its operation was mined, and its block is final.
    Settled,
    /// Nothing is reserved for it any longer: it was refused, or expired.
    Released,
    /// The account's nonce was used, and no log tells by which operation: it may have been mined.
    Unknown,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Settled, Self::Released, Self::Unknown];

    /// As stored in the column `outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Unknown => "unknown",
        }
    }
}

/// An event for a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The sponsorship.
    pub id: SponsorshipId,
    /// What became of it.
    pub outcome: Outcome,
    /// Unix seconds at which delivery began.
    pub begun_at: u64,
    /// Attempts that failed.
    pub attempts: u32,
    /// The policy.
    pub policy_id: String,
    /// Chain, EntryPoint and paymaster.
    pub contracts: Contracts,
    /// The smart account.
    pub sender: Address,
    /// The account.
    pub account_id: String,
    /// The intent.
    pub intent: IntentHash,
    /// The worst-case cost.
    pub max_cost: Gwei,
    /// What the chain reported, if anything.
    pub mined: Option<MinedAt>,
}

/// What the chain reported about a sponsorship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinedAt {
    /// The block; for an unknown outcome, the last one that was read.
    pub block: u64,
    /// The amount that the paymaster paid; for an unknown outcome, the most that it may have paid.
    pub cost: Wei,
    /// The transaction, if known.
    pub transaction: Option<Hash>,
    /// Whether the account's call succeeded, if known.
    pub succeeded: Option<bool>,
}

/// Events for webhooks. One is written in the transaction that settles or releases a sponsorship
/// which was reserved under a policy with a webhook, and stays until it is forgotten. A sponsorship
/// that was released, and is settled after all, has an event for each.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Makes a reservation one of which no webhook is told, unless something was signed for it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tell_nobody(&self, id: &SponsorshipId) -> Result<(), StoreError>;

    /// At most `most` events of a webhook that are due at that time, those due longest first. The
    /// delivery of new ones begins then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn due_events(&self, webhook: &str, now: u64, most: u32) -> Result<Vec<Event>, StoreError>;

    /// Forgets events that were delivered.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_events(&self, delivered: Vec<(SponsorshipId, Outcome)>) -> Result<(), StoreError>;

    /// Counts an attempt that failed, and moves the next one to that time.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn postpone_event(&self, id: &SponsorshipId, outcome: Outcome, due_at: u64) -> Result<(), StoreError>;

    /// Forgets a webhook's events whose delivery began before that time; returns their number.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn drop_events(&self, webhook: &str, begun_before: u64) -> Result<u64, StoreError>;

    /// The number of a webhook's events, and when the delivery of the oldest began.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn waiting_events(&self, webhook: &str) -> Result<(u64, Option<u64>), StoreError>;
}
