//! Settlement's state between rounds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use proto::UserOpHash;

use crate::error::RelayError;
use crate::store::Contracts;

/// Maximum number of blocks in one query. Fewer if the node refuses that many, takes too long, or
/// its answer is too long.
const MOST_AT_ONCE: u64 = 1000;
/// Maximum number of nonces in one JSON-RPC batch. Fewer if the node refuses that many: providers
/// take 10 to 1,000 calls.
const MOST_NONCES: usize = 50;
/// Maximum number of unknown operations that are remembered.
const MOST_STRANGERS: usize = 10_000;
/// Questions in one round for a deployment, at most: what is left is for the next. More only where
/// the blocks that are read again need them.
pub(super) const MOST_QUESTIONS: u64 = 16;
/// Maximum number of blocks in one round for a deployment.
pub(super) const MOST_IN_ROUND: u64 = MOST_AT_ONCE * MOST_QUESTIONS;

/// Settlement's state between rounds.
#[derive(Debug)]
pub(super) struct Progress {
    /// Unknown operations that were logged, with their blocks, while those are still reread.
    strangers: Mutex<HashMap<UserOpHash, u64>>,
    /// Number of blocks in one query that the node is expected to accept.
    at_once: AtomicU64,
    /// Number of nonces in one batch that the node is expected to accept.
    nonces_at_once: AtomicUsize,
    /// The problem of the last round.
    problem: Mutex<Option<String>>,
    /// The problem of the last release of expired reservations.
    release_problem: Mutex<Option<String>>,
    /// The same for those whose nonce was used.
    used_problem: Mutex<Option<String>>,
    /// Rounds in which the node's chain was not the one that was read, with a new latest block,
    /// minus those in which it was.
    doubtful_rounds: AtomicU32,
    /// By deployment, the block whose logs were refused last, and in how many rounds.
    refused: Mutex<HashMap<Contracts, (u64, u32)>>,
}

/// The chain that the node served in a round. One backend of several may serve another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    OfWhatWasRead,
    /// Another one, with a new latest block.
    Other,
    /// Another one, with no recent block.
    OtherAndOld,
    /// Another one, which is believed from now on.
    Believed,
}

/// The result of a round, or of one deployment's part of it.
#[derive(Default)]
pub(super) struct Round {
    /// Number of our operations, as counted by [`super::Settler::settle`].
    pub(super) settled: u64,
    /// Number of blocks left for the next round.
    pub(super) left: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            strangers: Mutex::default(),
            at_once: AtomicU64::new(MOST_AT_ONCE),
            nonces_at_once: AtomicUsize::new(MOST_NONCES),
            problem: Mutex::default(),
            release_problem: Mutex::default(),
            used_problem: Mutex::default(),
            doubtful_rounds: AtomicU32::new(0),
            refused: Mutex::default(),
        }
    }
}

impl Progress {
    /// The problem of the last round, or of the last release, for operators.
    pub(super) fn problem(&self) -> Option<String> {
        let [settling, releasing, used] = [&self.problem, &self.release_problem, &self.used_problem]
            .map(|problem| problem.lock().unwrap_or_else(PoisonError::into_inner).clone());
        settling.or(releasing).or(used)
    }

    pub(super) fn note_used(&self, outcome: &Result<u64, RelayError>) {
        let words = "expired reservations whose nonce was used";
        let problem = outcome.as_ref().err().map(|error| format!("{words}: {}", error.in_full()));
        *self.used_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn note_release(&self, outcome: &Result<u64, RelayError>) {
        let problem = outcome.as_ref().err().map(|error| format!("expired reservations: {}", error.in_full()));
        *self.release_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn note(&self, outcome: &Result<Round, RelayError>) {
        let problem = match outcome {
            Ok(Round { left: 0, .. }) => None,
            Ok(Round { left, .. }) => Some(format!("{left} blocks are still to be read for mined operations")),
            Err(error) => Some(error.in_full()),
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// The number of nonces in the next batch.
    pub(super) fn nonces_at_once(&self) -> usize {
        self.nonces_at_once.load(Ordering::Relaxed)
    }

    /// Makes later batches smaller than this one.
    pub(super) fn fewer_nonces(&self, asked: usize) {
        self.nonces_at_once.store((asked / 2).max(1), Ordering::Relaxed);
    }

    /// Makes later batches larger by one nonce: the node accepted the whole batch.
    pub(super) fn more_nonces(&self) {
        self.nonces_at_once.store(MOST_NONCES.min(self.nonces_at_once() + 1), Ordering::Relaxed);
    }

    /// The number of blocks in the next query.
    pub(super) fn at_once(&self) -> u64 {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Reduces the number of blocks per query below that of this range.
    pub(super) fn narrow(&self, from: u64, to: u64) {
        self.at_once.store((to - from).div_ceil(2), Ordering::Relaxed);
    }

    /// Increases the number of blocks per query, after the node accepted that many.
    pub(super) fn widen(&self) {
        self.at_once.store(MOST_AT_ONCE.min(self.at_once() * 2), Ordering::Relaxed);
    }

    /// Counts a round in which the logs of a deployment's block were refused. Returns how many
    /// there were, for this block or lower ones, since its logs were given.
    pub(super) fn refused(&self, contracts: Contracts, block: u64) -> u32 {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, rounds) = refused.entry(contracts).or_default();
        *rounds = if block >= *last { rounds.saturating_add(1) } else { 1 };
        *last = block;
        *rounds
    }

    /// The logs of a deployment's blocks up to this one were given.
    pub(super) fn given(&self, contracts: Contracts, block: u64) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.get(&contracts).is_some_and(|(last, _)| block >= *last) {
            refused.remove(&contracts);
        }
    }

    /// Counts a round; how many doubtful ones there are now.
    pub(super) fn doubt(&self, chain: Chain) -> u32 {
        let rounds = self.doubtful_rounds.load(Ordering::Relaxed);
        let rounds = match chain {
            Chain::OfWhatWasRead => rounds.saturating_sub(1),
            Chain::Other => rounds.saturating_add(1),
            Chain::OtherAndOld => rounds,
            Chain::Believed => 0,
        };
        self.doubtful_rounds.store(rounds, Ordering::Relaxed);
        rounds
    }

    pub(super) fn is_new(&self, hash: UserOpHash, block: u64) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.len() >= MOST_STRANGERS {
            strangers.clear();
        }
        strangers.insert(hash, block).is_none()
    }

    pub(super) fn forget_before(&self, block: u64) {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, mined_in| *mined_in >= block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_lies_now_and_then_does_not_hide_that_the_chain_is_another() {
        let progress = Progress::default();
        let mut most = 0;
        for _ in 0..2 {
            for _ in 0..2 {
                progress.doubt(Chain::OfWhatWasRead);
            }
            for _ in 0..9 {
                most = progress.doubt(Chain::Other);
                progress.doubt(Chain::OtherAndOld);
            }
        }
        assert_eq!(most, 16);
        assert_eq!(progress.doubt(Chain::Believed), 0);
    }

    #[test]
    fn a_backend_that_lies_now_and_then_is_not_believed() {
        let progress = Progress::default();
        for _ in 0..100 {
            assert!(progress.doubt(Chain::Other) <= 2 && progress.doubt(Chain::Other) <= 2);
            for _ in 0..2 {
                progress.doubt(Chain::OfWhatWasRead);
            }
        }
    }
}
