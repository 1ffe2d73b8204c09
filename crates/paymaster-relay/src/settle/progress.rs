//! Settlement's state between rounds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use proto::UserOpHash;

use super::width::{MOST_AT_ONCE, Width};
use crate::error::RelayError;
use crate::store::Contracts;

/// Maximum number of nonces in one JSON-RPC batch. Fewer if the node refuses that many: providers
/// take 10 to 1,000 calls.
const MOST_NONCES: usize = 50;
/// Maximum number of unknown operations that are remembered.
const MOST_STRANGERS: usize = 10_000;
/// Maximum number of queries for new blocks in one round for a deployment: what is left is for the
/// next.
pub(super) const MOST_QUERIES: u64 = 16;
/// Maximum number of blocks in one round for a deployment.
pub(super) const MOST_IN_ROUND: u64 = MOST_AT_ONCE * MOST_QUERIES;

/// Settlement's state between rounds.
#[derive(Debug)]
pub(super) struct Progress {
    /// Unknown operations that were logged, with their blocks, while those are still reread.
    strangers: Mutex<HashMap<UserOpHash, u64>>,
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
    /// Consecutive rounds in which the node had no block with the number of a recorded one.
    missing_rounds: AtomicU32,
    deployments: Mutex<HashMap<Contracts, OfDeployment>>,
}

/// The state of one deployment: a node may refuse the logs of one and return those of another.
#[derive(Debug, Default)]
struct OfDeployment {
    width: Width,
    /// The block whose logs were refused last, and in how many rounds.
    refused: Option<(u64, u32)>,
}

/// Why a round failed.
pub(super) struct Failure {
    /// For operators.
    pub(super) problem: String,
    pub(super) error: RelayError,
}

impl<E: Into<RelayError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { problem: error.in_full(), error }
    }
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
            nonces_at_once: AtomicUsize::new(MOST_NONCES),
            problem: Mutex::default(),
            release_problem: Mutex::default(),
            used_problem: Mutex::default(),
            doubtful_rounds: AtomicU32::new(0),
            missing_rounds: AtomicU32::new(0),
            deployments: Mutex::default(),
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

    pub(super) fn note_used(&self, outcome: &Result<u64, Failure>) {
        let words = "expired reservations whose nonce was used";
        let problem = outcome.as_ref().err().map(|Failure { problem, .. }| format!("{words}: {problem}"));
        *self.used_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn note_release(&self, outcome: &Result<u64, Failure>) {
        let problem = outcome.as_ref().err().map(|Failure { problem, .. }| format!("expired reservations: {problem}"));
        *self.release_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn note(&self, outcome: &Result<Round, Failure>) {
        let problem = match outcome {
            Ok(Round { left: 0, .. }) => None,
            Ok(Round { left, .. }) => Some(format!("{left} blocks are still to be read for mined operations")),
            Err(Failure { problem, .. }) => Some(problem.clone()),
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

    /// How many blocks of a deployment the node takes in one query.
    pub(super) fn width(&self, contracts: Contracts) -> Width {
        self.with(contracts, |deployment| deployment.width)
    }

    pub(super) fn note_width(&self, contracts: Contracts, width: Width) {
        self.with(contracts, |deployment| deployment.width = width);
    }

    /// Counts a round in which the logs of a deployment's block were refused. Returns how many
    /// there were, for this block or lower ones, since its logs were given.
    pub(super) fn refused(&self, contracts: Contracts, block: u64) -> u32 {
        self.with(contracts, |deployment| {
            let rounds = match deployment.refused {
                Some((last, rounds)) if block >= last => rounds.saturating_add(1),
                _ => 1,
            };
            deployment.refused = Some((block, rounds));
            rounds
        })
    }

    /// The logs of a deployment's blocks up to this one were given.
    pub(super) fn given(&self, contracts: Contracts, block: u64) {
        self.with(contracts, |deployment| deployment.refused = deployment.refused.filter(|(last, _)| block < *last));
    }

    fn with<T>(&self, contracts: Contracts, change: impl FnOnce(&mut OfDeployment) -> T) -> T {
        let mut deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        change(deployments.entry(contracts).or_default())
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

    /// Counts a round in which the node had no block with the number of a recorded one. Returns how
    /// many there were since it had one.
    pub(super) fn block_missing(&self) -> u32 {
        let rounds = self.missing_rounds.load(Ordering::Relaxed).saturating_add(1);
        self.missing_rounds.store(rounds, Ordering::Relaxed);
        rounds
    }

    /// The node has a recorded block.
    pub(super) fn block_found(&self) {
        self.missing_rounds.store(0, Ordering::Relaxed);
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
