//! Which latest block settlement trusts. A single answer of a node undoes nothing: a backend of a
//! load balancer may lag by the whole chain, or report blocks that do not exist. Some final blocks
//! are recorded with their hashes, so that blocks that turn out to belong to another chain can be
//! reread.

use std::collections::BTreeSet;

use proto::Hash;

use super::progress::{Chain, MOST_IN_ROUND};
use super::pruned::REFUSED_ROUNDS;
use super::{READ_AGAIN, Settler};
use crate::chain::{Block, ChainError, Now};
use crate::error::RelayError;

/// Number of rounds in which the node's chain has to differ from what was read, with a new latest
/// block, until it is believed; a round in which it is the same subtracts one.
const DOUBTFUL_ROUNDS: u32 = 10;
/// Maximum age in seconds of the newest block of a chain in use; an older one may come from a
/// lagging node.
const NEW: u64 = 120;

/// How far the recorded blocks agree with the node's.
enum Footing {
    /// All up to the latest block; the number of the highest.
    Same(Option<u64>),
    /// This one differs; the highest that agrees is the anchor.
    Other { number: u64, anchor: Option<u64> },
}

impl Settler {
    /// The latest block. A block up to [`READ_AGAIN`] below what was read is a reorganisation, or a
    /// node that lags a little. A still lower one, or one of a chain whose blocks differ from the
    /// recorded ones, is believed if it persists: the chain was reset, or what was read does not
    /// belong to this chain, and is reread.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], also if the latest block is not believed;
    /// [`RelayError::StoreUnavailable`].
    pub(super) async fn believed_head(&self) -> Result<Block, RelayError> {
        let latest = self.reader.latest_block().await?;
        let now = self.chain.time.note(latest);
        let known = self.store.known_blocks(self.chain.id()).await?;
        let footing = self.footing(&known, latest.number).await?;
        let read = self.store.highest_block(self.chain.id()).await?;
        let far_below = read.filter(|read| latest.number.saturating_add(READ_AGAIN) < *read);
        match (footing, far_below) {
            (Footing::Same(_), None) => {
                self.progress.doubt(Chain::OfWhatWasRead);
                self.check_exists(latest.number, read).await?;
            }
            // Nothing was recorded yet: the database is of an earlier version.
            (Footing::Same(_), Some(_)) if known.is_empty() => self.read_again(latest.number, None).await?,
            (Footing::Same(anchor) | Footing::Other { anchor, .. }, _) if self.stays_so(&now) => {
                self.read_again(latest.number, anchor).await?;
            }
            (Footing::Other { number, .. }, _) => return Err(ChainError::OtherBlock { number }.into()),
            (Footing::Same(_), Some(read)) => return Err(ChainError::Lags { latest: latest.number, read }.into()),
        }
        self.note_known(latest.number).await?;
        Ok(latest)
    }

    /// Whether the node's chain has differed from what was read often enough, with a new latest
    /// block, that it is neither a lagging node nor a single wrong answer.
    fn stays_so(&self, now: &Now) -> bool {
        let is_new = now.host.saturating_sub(now.block) <= NEW;
        self.progress.doubt(if is_new { Chain::Other } else { Chain::OtherAndOld }) >= DOUBTFUL_ROUNDS
    }

    /// Requests a block that would be read next, if the latest is far above what was read.
    async fn check_exists(&self, latest: u64, read: Option<u64>) -> Result<(), RelayError> {
        if read.is_some_and(|read| latest <= read.saturating_add(READ_AGAIN)) {
            return Ok(());
        }
        let furthest = read.map_or(latest, |read| latest.min(read.saturating_add(MOST_IN_ROUND)));
        match self.reader.hash_of(furthest).await {
            Ok(Some(_)) => Ok(()),
            // A node that keeps no old blocks. A latest block that does not exist is found by the
            // queries of logs.
            Ok(None) | Err(ChainError::Node { .. }) if self.progress.block_missing() > REFUSED_ROUNDS => Ok(()),
            Ok(None) => Err(ChainError::NoSuchBlock { latest, missing: furthest }.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Compares the recorded blocks with the node's, highest first.
    async fn footing(&self, known: &[(u64, Hash)], latest: u64) -> Result<Footing, RelayError> {
        let mut other = None;
        for (number, hash) in known.iter().rev().filter(|(number, _)| *number <= latest) {
            match self.reader.hash_of(*number).await {
                Ok(Some(told)) if told == *hash => {
                    self.progress.block_found();
                    let anchor = Some(*number);
                    return Ok(other.map_or(Footing::Same(anchor), |number| Footing::Other { number, anchor }));
                }
                Ok(Some(_)) => other = other.or(Some(*number)),
                Ok(None) if self.progress.block_missing() < REFUSED_ROUNDS => {
                    return Err(ChainError::NoSuchBlock { latest, missing: *number }.into());
                }
                // Some nodes keep no old blocks.
                Ok(None) | Err(ChainError::Node { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(other.map_or(Footing::Same(None), |number| Footing::Other { number, anchor: None }))
    }

    /// Rereads the blocks after the `anchor`, the highest recorded block that is on this chain;
    /// without one, the last [`READ_AGAIN`] blocks.
    async fn read_again(&self, latest: u64, anchor: Option<u64>) -> Result<(), RelayError> {
        let from = anchor.unwrap_or_else(|| latest.saturating_sub(READ_AGAIN));
        tracing::warn!(
            latest,
            from,
            "settlement had read blocks that are not this chain's: was it reset, or did a node serve another one? all from \
             there on are reread"
        );
        self.progress.doubt(Chain::Believed);
        Ok(self.store.read_again_from(self.chain.id(), from, anchor).await?)
    }

    /// Records the first block and the last final one, and deletes some of those in between: the
    /// older, the fewer are kept.
    async fn note_known(&self, latest: u64) -> Result<(), RelayError> {
        let mut known: BTreeSet<_> =
            self.store.known_blocks(self.chain.id()).await?.into_iter().map(|(number, _)| number).collect();
        let last_final = latest.saturating_sub(self.confirmations());
        for number in [0, last_final] {
            if known.last().is_none_or(|last| number > *last)
                && let Some(hash) = self.hash_if_told(number).await?
            {
                self.store.note_known_block(self.chain.id(), number, hash).await?;
                known.insert(number);
            }
        }
        let spare = spare(&known);
        if !spare.is_empty() {
            self.store.forget_known_blocks(self.chain.id(), spare).await?;
        }
        Ok(())
    }

    /// `None` also if the node does not answer: some keep no old blocks.
    async fn hash_if_told(&self, number: u64) -> Result<Option<Hash>, RelayError> {
        match self.reader.hash_of(number).await {
            Err(ChainError::Node { .. }) => Ok(None),
            told => Ok(told?),
        }
    }
}

/// The numbers that are not needed: among those whose distance from the highest has the same number
/// of binary digits, all but the lowest and the highest.
fn spare(known: &BTreeSet<u64>) -> Vec<u64> {
    let Some(highest) = known.last() else { return Vec::new() };
    let digits = |number: &u64| (highest - number).checked_ilog2();
    let mut middle = Vec::new();
    let numbers: Vec<_> = known.iter().copied().collect();
    for window in numbers.windows(3) {
        if let [before, number, after] = window
            && digits(before) == digits(number)
            && digits(number) == digits(after)
        {
            middle.push(*number);
        }
    }
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_blocks_are_noted_and_the_newest_before_a_jump_is_kept() {
        let mut known = BTreeSet::from([0]);
        let mut note = |number| {
            known.insert(number);
            for spare in spare(&known) {
                known.remove(&spare);
            }
            known.clone()
        };
        for number in 1..10_000 {
            assert!(note(number).len() < 32, "at {number}");
        }
        let jumped = (0..100).map(|round| note(20_000_000 + round * 16_000)).last().unwrap();
        assert!(jumped.contains(&0) && jumped.contains(&9999) && jumped.len() < 64, "{jumped:?}");
    }
}
