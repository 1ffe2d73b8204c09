//! What settlement knows from one round to the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use proto::UserOpHash;

use crate::error::RelayError;

/// Blocks in one question, at most. Fewer where the node refuses that many, takes too long, or its
/// answer is too long.
const MOST_AT_ONCE: u64 = 1000;
/// Questions in one round for a deployment, at most: what is left is for the next. More only where
/// the blocks that are read again need them.
pub(super) const MOST_QUESTIONS: u64 = 16;
/// Blocks of one round for a deployment, at most.
pub(super) const MOST_IN_ROUND: u64 = MOST_AT_ONCE * MOST_QUESTIONS;

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    /// Unknown operations that were logged, each with its block, as long as that is read again.
    strangers: Mutex<HashMap<UserOpHash, u64>>,
    /// Blocks in one question that the node is thought to take.
    at_once: AtomicU64,
    /// What was wrong with the last round.
    problem: Mutex<Option<String>>,
    /// Rounds in a row in which the node's chain was not the one that was read, and its latest
    /// block new.
    doubtful_rounds: AtomicU32,
}

/// What a round, or one deployment's part of it, came to.
#[derive(Default)]
pub(super) struct Round {
    /// Operations of ours, as [`super::Settler::settle`] counts them.
    pub(super) settled: u64,
    /// Blocks that are left for the next.
    pub(super) left: u64,
}

impl Default for Progress {
    fn default() -> Self {
        let (at_once, doubtful_rounds) = (AtomicU64::new(MOST_AT_ONCE), AtomicU32::new(0));
        Self { strangers: Mutex::default(), at_once, problem: Mutex::default(), doubtful_rounds }
    }
}

impl Progress {
    /// What was wrong with the last round, for operators.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, outcome: &Result<Round, RelayError>) {
        let problem = match outcome {
            Ok(Round { left: 0, .. }) => None,
            Ok(Round { left, .. }) => Some(format!("{left} blocks are still to be read for mined operations")),
            Err(error) => Some(error.in_full()),
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Blocks in the next question.
    pub(super) fn at_once(&self) -> u64 {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Fewer blocks in one question from now on than those.
    pub(super) fn narrow(&self, from: u64, to: u64) {
        self.at_once.store((to - from).div_ceil(2), Ordering::Relaxed);
    }

    /// More blocks in one question from now on: the node took as many as it was asked for.
    pub(super) fn widen(&self) {
        self.at_once.store(MOST_AT_ONCE.min(self.at_once() * 2), Ordering::Relaxed);
    }

    /// One more such round in a row, or none; how many there were.
    pub(super) fn doubtful_rounds(&self, is_one: bool) -> u32 {
        let rounds = if is_one { self.doubtful_rounds.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.doubtful_rounds.store(rounds, Ordering::Relaxed);
        rounds
    }

    pub(super) fn is_new(&self, hash: UserOpHash, block: u64) -> bool {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, block).is_none()
    }

    pub(super) fn forget_before(&self, block: u64) {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, mined_in| *mined_in >= block);
    }
}
