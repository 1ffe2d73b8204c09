//! What is remembered: every sponsorship from its reservation to its settlement.

mod record;
mod sqlite;

use async_trait::async_trait;
use breaker::OutageLog;
use proto::{Hash, IntentHash, Terms, UserOpHash};

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

/// Sponsorships on durable storage. Times are Unix seconds.
///
/// Every change checks and writes in one transaction, which also changes the counters of open
/// reservations; two at once come out as one after the other. What was answered is there after a
/// restart. After an error of a write it is unknown whether it was made, but it was made as a whole
/// or not at all, and no other write failed with it for a value of its own.
///
/// The tests in `tests/relay/store` hold every implementation to what is said here.
#[async_trait]
pub trait Store: Send + Sync {
    /// Where its outages are told of.
    fn outages(&self) -> &OutageLog;

    /// Reserves a worst-case cost and records the intent, if every limit holds with it. Otherwise
    /// nothing is recorded or counted, and the first limit that does not hold is told.
    ///
    /// It is counted once in the counter of each limit, within its deployment, until it is
    /// released, or settled in a block that is final. The store knows no counters of its own. The
    /// same contracts on another chain are another deployment.
    ///
    /// A principal has one open sponsorship of an intent. An idempotency key stands for one intent
    /// in its space, until the sponsorship is released.
    ///
    /// Settlement begins at its block, where it has not begun for that deployment.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was recorded; asking again finds out.
    async fn reserve(&self, sponsorship: &NewSponsorship, limits: &[Limit]) -> Result<Reserved, StoreError>;

    /// What would come of [`Self::reserve`]; nothing is recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn would_reserve(&self, sponsorship: &NewSponsorship, limits: &[Limit]) -> Result<Reserved, StoreError>;

    /// The principal's newest sponsorship of an intent: one that may still be mined, whether its
    /// window is over or not; or one that was mined, and whose window was not over then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, intent: &IntentHash, principal: &Principal, now: u64) -> Result<Option<Record>, StoreError>;

    /// What an idempotency key stands for in its space.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_of_key(&self, space: &KeySpace, key: &str) -> Result<Option<KeyUse>, StoreError>;

    /// Counts one more signing of an open sponsorship. False when it was signed `most` times, or is
    /// gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_signing(&self, id: &SponsorshipId, most: u32) -> Result<bool, StoreError>;

    /// Moves the window of an open sponsorship to those terms and counts one more signing. What was
    /// signed before is no answer any more, but is still settled if it is mined. False when it was
    /// signed `most` times, is gone, or has a window that ends no earlier.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn renew(&self, id: &SponsorshipId, terms: &Terms, most: u32) -> Result<bool, StoreError>;

    /// Records the signatures made on those terms, in place of those made before on the same. False
    /// when the reservation is gone or has other terms by now: they must not leave then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record_signed(&self, id: &SponsorshipId, terms: &Terms, signed: &Signed) -> Result<bool, StoreError>;

    /// Takes back the signing that was begun last and failed, and with it the reservation,
    /// unless something was signed or another signing of it had no answer: what that one came to
    /// may still be mined. Whether the reservation was given back.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release(&self, id: &SponsorshipId) -> Result<bool, StoreError>;

    /// Reservations at these contracts that were not mined and whose window ended before that time;
    /// as many as `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn expired(&self, contracts: Contracts, ended_before: u64, most: u32) -> Result<Vec<Expired>, StoreError>;

    /// Releases those of them that are still such as [`Self::expired`] lists; how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release_expired(&self, ids: Vec<SponsorshipId>, ended_before: u64) -> Result<u64, StoreError>;

    /// Settles one that is still such as [`Self::expired`] lists as if it had been mined in that
    /// block, a final one, at its worst-case cost. Whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn settle_at_worst_case(&self, id: &SponsorshipId, ended_before: u64, block: u64)
    -> Result<bool, StoreError>;

    /// The sponsorships for which an operation was signed: now, or before a renewal.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sponsorships_of(&self, hash: &UserOpHash) -> Result<Vec<SponsorshipId>, StoreError>;

    /// The block to read next at all contracts of a chain that ever had a reservation, also at
    /// those that are no longer configured.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next_blocks(&self, chain_id: u64) -> Result<Vec<(Contracts, u64)>, StoreError>;

    /// What is reserved of a deployment's deposit: what its counter of [`Scope::Deployment`] says.
    ///
    /// [`Scope::Deployment`]: crate::budget::Scope::Deployment
    ///
    /// # Errors
    /// [`StoreError`].
    async fn reserved(&self, deployment: &Deployment) -> Result<Gwei, StoreError>;

    /// Takes in what was read of the chain for a deployment, and remembers the block to read next.
    ///
    /// What was mined is noted with its block and cost, and stays open: it is closed once its block
    /// is final. What was mined in one of these blocks before, or in one beyond the latest, and was
    /// not read there now is open as if it had never been mined. The same blocks may be recorded
    /// again; that changes nothing. What the node of one chain tells changes no sponsorship on
    /// another.
    ///
    /// # Errors
    /// [`StoreError`]: part of it may be recorded; the same blocks may be read and recorded again.
    async fn settle(&self, deployment: &Deployment, read: &BlocksRead) -> Result<Settled, StoreError>;

    /// The block to read next for a deployment, once one was recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next_block(&self, deployment: &Deployment) -> Result<Option<u64>, StoreError>;

    /// The highest block that was ever to be read next for any deployment of a chain; `None` before
    /// the first reservation. Lower again only after [`Self::read_again_from`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn highest_block(&self, chain_id: u64) -> Result<Option<u64>, StoreError>;

    /// The blocks of a chain that were noted, from the lowest on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn known_blocks(&self, chain_id: u64) -> Result<Vec<(u64, Hash)>, StoreError>;

    /// Notes a block of a chain. One that was noted keeps its hash.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_known_block(&self, chain_id: u64, number: u64, hash: Hash) -> Result<(), StoreError>;

    /// Forgets blocks of a chain that were noted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_known_blocks(&self, chain_id: u64, numbers: Vec<u64>) -> Result<(), StoreError>;

    /// Every deployment of a chain is read again from that block on, if it was read as far; blocks
    /// of it that were noted above the `anchor` are forgotten, and without one all.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn read_again_from(&self, chain_id: u64, block: u64, anchor: Option<u64>) -> Result<(), StoreError>;

    /// Whether the store can be written.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ready(&self) -> Result<(), StoreError>;
}

/// What came of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is recorded.
    Recorded,
    /// The principal's intent has an open sponsorship already.
    AlreadyRecorded,
    /// The idempotency key stands for another intent in its space.
    KeyTaken {
        /// Whether that one was mined, in a block that may not be final yet.
        is_mined: bool,
    },
    /// A limit would be exceeded.
    OverLimit(Excess),
}
