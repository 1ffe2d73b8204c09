//! The store: every sponsorship from its reservation to its settlement.

mod ledger;
mod outbox;
mod record;
mod sqlite;

use async_trait::async_trait;
use breaker::OutageLog;
use proto::{Hash, IntentHash, Terms, UserOpHash, Wei};

pub use ledger::{
    Booking, Entry, EntryState, Ledger, LedgerQuery, Operation, Outcomes, Page, Position, Reconciled, UnknownName,
    UsageBy, UsageQuery, UsageRow,
};
pub use outbox::{Event, MinedAt, Outbox, Outcome};
pub use record::{
    BlocksRead, Contracts, Expired, KeySpace, KeyUse, NewSponsorship, Record, Settled, Settlement, Signed,
    SponsorshipId, State,
};
pub use sqlite::SqliteStore;

pub use crate::principal::Principal;
pub use crate::store_error::StoreError;

use crate::budget::{Excess, Limit};
use crate::deployment::Deployment;
use crate::gwei::Gwei;
use crate::spend::Overspent;

/// Sponsorships on durable storage. Times are Unix seconds.
///
/// Every change checks and writes in one transaction, which also changes the counters of open
/// reservations; concurrent changes are serialised. Acknowledged changes survive a restart. After
/// an error of a write it is unknown whether it was made, but it was made completely or not at all,
/// and no other write failed because of its values.
///
/// The tests in `tests/relay/store` check these guarantees for every implementation.
#[async_trait]
pub trait Store: Ledger + Outbox {
    /// The log of its outages.
    fn outages(&self) -> &OutageLog;

    /// Reserves a worst-case cost and records the intent, if it is within every limit. Otherwise
    /// nothing is recorded or counted, and the first exceeded limit is returned.
    ///
    /// It is counted once in the counter of each limit, within its deployment, until it is
    /// released, or settled in a final block. The store defines no counters of its own. The same
    /// contracts on another chain are another deployment.
    ///
    /// It is also counted once for each of its charges, under its policy: with the amount of the
    /// charge while it is open, with nothing once it is released, and with what it cost, at most
    /// that amount, once it is settled. The charges are checked after the limits.
    ///
    /// A principal has at most one open sponsorship of an intent. An idempotency key belongs to one
    /// intent in its space, until the sponsorship is released.
    ///
    /// If settlement has not begun for the deployment, it begins at this sponsorship's block.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was recorded; repeating the call finds out.
    async fn reserve(&self, sponsorship: &NewSponsorship, limits: &[Limit]) -> Result<Reserved, StoreError>;

    /// The result that [`Self::reserve`] would have; nothing is recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn would_reserve(&self, sponsorship: &NewSponsorship, limits: &[Limit]) -> Result<Reserved, StoreError>;

    /// The principal's newest sponsorship of an intent: one that may still be mined, whether or not
    /// its window is over; or one that was mined within its window.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, intent: &IntentHash, principal: &Principal, now: u64) -> Result<Option<Record>, StoreError>;

    /// The use of an idempotency key in its space.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_of_key(&self, space: &KeySpace, key: &str) -> Result<Option<KeyUse>, StoreError>;

    /// Records the idempotency key of a sponsorship that was reserved without one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_key(&self, id: &SponsorshipId, key: &str) -> Result<KeyNoted, StoreError>;

    /// Counts one more signing of an open sponsorship. False if it was already signed `most` times,
    /// or no longer exists.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_signing(&self, id: &SponsorshipId, most: u32) -> Result<bool, StoreError>;

    /// Moves the window of an open sponsorship to those terms and counts one more signing. Earlier
    /// signatures are no longer an answer, but are still settled if mined. False if it was already
    /// signed `most` times, no longer exists, or has a window that ends no earlier.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn renew(&self, id: &SponsorshipId, terms: &Terms, most: u32) -> Result<bool, StoreError>;

    /// Records the signatures made on those terms, replacing earlier ones on the same terms. False
    /// if the reservation no longer exists or has other terms by now: then they must not be
    /// returned.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record_signed(&self, id: &SponsorshipId, terms: &Terms, signed: &Signed) -> Result<bool, StoreError>;

    /// Undoes the last signing, which failed, and releases the reservation, unless something was
    /// signed or another signing had no answer: its result may still be mined. Returns whether the
    /// reservation was released.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release(&self, id: &SponsorshipId) -> Result<bool, StoreError>;

    /// At most `most` reservations at these contracts that were not mined and whose window ended
    /// before that time.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn expired(&self, contracts: Contracts, ended_before: u64, most: u32) -> Result<Vec<Expired>, StoreError>;

    /// Releases those of them that [`Self::expired`] would still list; returns their number.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release_expired(&self, ids: Vec<SponsorshipId>, ended_before: u64) -> Result<u64, StoreError>;

    /// Settles a reservation that [`Self::expired`] would still list, and that may have been mined
    /// up to that final block, at this cost; at 0 if another one of the same nonce was settled like
    /// this before, since at most one was mined. Returns whether it did.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn settle_unknown(
        &self,
        id: &SponsorshipId,
        ended_before: u64,
        block: u64,
        cost: Wei,
    ) -> Result<bool, StoreError>;

    /// Settles a reservation that [`Self::expired`] would still list by what was mined in a final
    /// block. Returns whether it did.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn settle_missed(
        &self,
        id: &SponsorshipId,
        ended_before: u64,
        settlement: &Settlement,
    ) -> Result<bool, StoreError>;

    /// Closes the mined reservations at these contracts whose block is at most the last final one,
    /// as [`Self::settle`] does.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn close_final(&self, contracts: Contracts, last_final: u64) -> Result<(), StoreError>;

    /// The sponsorships for which an operation was signed, now or before a renewal, with their
    /// intents.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sponsorships_of(&self, hash: &UserOpHash) -> Result<Vec<(SponsorshipId, IntentHash)>, StoreError>;

    /// The next block to read at all contracts of a chain that ever had a reservation, including
    /// those that are no longer configured.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next_blocks(&self, chain_id: u64) -> Result<Vec<(Contracts, u64)>, StoreError>;

    /// The reserved part of a deployment's deposit: the value of its counter of
    /// [`Scope::Deployment`].
    ///
    /// [`Scope::Deployment`]: crate::budget::Scope::Deployment
    ///
    /// # Errors
    /// [`StoreError`].
    async fn reserved(&self, deployment: &Deployment) -> Result<Gwei, StoreError>;

    /// Applies what was read of the chain for a deployment, and records the next block to read.
    ///
    /// Mined operations are recorded with block and cost, and stay open until their block is final.
    /// An operation that was recorded in one of these blocks before, or in one beyond the latest,
    /// and is not there now, is open again as if it had never been mined. Recording the same blocks
    /// again changes nothing. The node of one chain changes no sponsorship on another.
    ///
    /// # Errors
    /// [`StoreError`]: a part may be recorded; the same blocks may be read and recorded again.
    async fn settle(&self, deployment: &Deployment, read: &BlocksRead) -> Result<Settled, StoreError>;

    /// The next block to read for a deployment, once one was recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next_block(&self, deployment: &Deployment) -> Result<Option<u64>, StoreError>;

    /// The highest next block ever recorded for any deployment of a chain; `None` before the first
    /// reservation. Only [`Self::read_again_from`] lowers it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn highest_block(&self, chain_id: u64) -> Result<Option<u64>, StoreError>;

    /// The recorded blocks of a chain, lowest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn known_blocks(&self, chain_id: u64) -> Result<Vec<(u64, Hash)>, StoreError>;

    /// Records a block of a chain. An already recorded block keeps its hash.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_known_block(&self, chain_id: u64, number: u64, hash: Hash) -> Result<(), StoreError>;

    /// Deletes recorded blocks of a chain.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_known_blocks(&self, chain_id: u64, numbers: Vec<u64>) -> Result<(), StoreError>;

    /// Makes settlement reread every deployment of a chain from that block on, if it had read that
    /// far; deletes the chain's recorded blocks above the `anchor`, or all without one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn read_again_from(&self, chain_id: u64, block: u64, anchor: Option<u64>) -> Result<(), StoreError>;

    /// Forgets the charges of windows that ended before that time, unless reservations in them are
    /// open; returns the number of forgotten counters.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_windows(&self, ended_before: u64) -> Result<u64, StoreError>;

    /// Whether the store can be written.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ready(&self) -> Result<(), StoreError>;
}

/// The result of [`Store::note_key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyNoted {
    /// The sponsorship has that key now, or had it before.
    Noted,
    /// The sponsorship has another key.
    HasAnother,
    /// The key belongs to another intent in its space.
    Taken {
        /// Whether that one was mined, in a block that may not be final yet.
        is_mined: bool,
    },
    /// The sponsorship was released.
    Released,
}

/// The result of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is recorded.
    Recorded,
    /// The principal already has an open sponsorship of the intent.
    AlreadyRecorded,
    /// The idempotency key belongs to another intent in its space.
    KeyTaken {
        /// Whether that one was mined, in a block that may not be final yet.
        is_mined: bool,
    },
    /// A limit would be exceeded.
    OverLimit(Excess),
    /// A limit of the policy on spending would be exceeded.
    Overspent(Overspent),
}
