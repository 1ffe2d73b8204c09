//! Settlement: what was mined is no longer reserved, once its block is final. Reads the chain's own words,
//! `UserOperationEvent`, and remembers how far it read, so that a restart misses nothing.

mod head;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::{UserOpHash, Wei};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Deployment;
use crate::chain::{ChainError, MinedOp};
use crate::error::RelayError;
use crate::outage::Outage;
use crate::relay::Relay;
use crate::store::{BlocksRead, Gwei, Settled, Settlement};

/// Blocks in one question, at most. Fewer where the node refuses that many, takes too long, or its answer is too long.
const MOST_AT_ONCE: u64 = 1000;
/// Questions in one round for a deployment, at most: what is left is for the next. More only where the blocks that are read
/// again need them.
const MOST_QUESTIONS: u64 = 16;
/// Blocks of one round for a deployment, at most.
const MOST_IN_ROUND: u64 = MOST_AT_ONCE * MOST_QUESTIONS;
/// Blocks that are read again, at least, after the chain turned out to be lower than what was read; it is believed to be lower
/// by as many at most.
const READ_AGAIN: u64 = 1000;

/// What settlement knows from one round to the next.
#[derive(Debug)]
pub(crate) struct Settling {
    /// Unknown operations that were logged, each with its block, as long as that is read again.
    strangers: Mutex<HashMap<UserOpHash, u64>>,
    /// Blocks in one question that the node is thought to take.
    at_once: AtomicU64,
    /// What was wrong with the last round.
    problem: Mutex<Option<String>>,
    /// Rounds in a row in which the node's chain was not the one that was read, and its latest block new.
    doubtful_rounds: AtomicU32,
}

/// What a round, or one deployment's part of it, came to.
#[derive(Default)]
struct Round {
    /// Operations of ours, as [`Relay::settle`] counts them.
    settled: u64,
    /// Blocks that are left for the next.
    left: u64,
}

impl Default for Settling {
    fn default() -> Self {
        let (at_once, doubtful_rounds) = (AtomicU64::new(MOST_AT_ONCE), AtomicU32::new(0));
        Self { strangers: Mutex::default(), at_once, problem: Mutex::default(), doubtful_rounds }
    }
}

impl Settling {
    /// What was wrong with the last round, for operators.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, outcome: &Result<Round, RelayError>) {
        let problem = match outcome {
            Ok(Round { left: 0, .. }) => None,
            Ok(Round { left, .. }) => Some(format!("{left} blocks are still to be read for mined operations")),
            Err(error) => Some(error.in_full()),
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Fewer blocks in one question from now on than those.
    fn narrow(&self, from: u64, to: u64) {
        self.at_once.store((to - from).div_ceil(2), Ordering::Relaxed);
    }

    /// One more such round in a row, or none; how many there were.
    fn doubtful_rounds(&self, is_one: bool) -> u32 {
        let rounds = if is_one { self.doubtful_rounds.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.doubtful_rounds.store(rounds, Ordering::Relaxed);
        rounds
    }

    fn is_new(&self, hash: UserOpHash, block: u64) -> bool {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, block).is_none()
    }

    fn forget_before(&self, block: u64) {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, mined_in| *mined_in >= block);
    }
}

impl Relay {
    /// Settles every interval, until told to stop.
    pub async fn settle_regularly(&self, every: Duration, stop: CancellationToken) {
        let (mut ticks, mut outage) = (interval(every.max(Duration::from_secs(1))), Outage::new("settlement"));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            outage.note(self.settle().await, self.needs());
        }
    }

    /// Reads what was mined, for every deployment: blocks that were not final the last time, and as many newer ones as a
    /// round takes. How many operations of ours are in them, those included that an earlier round found in the same blocks.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], [`RelayError::StoreUnavailable`] at the first deployment that fails. Blocks that
    /// were read before that stay recorded, and the next call continues after them.
    pub async fn settle(&self) -> Result<u64, RelayError> {
        let outcome = self.settle_all().await;
        self.settling.note(&outcome);
        outcome.map(|round| round.settled)
    }

    async fn settle_all(&self) -> Result<Round, RelayError> {
        let latest = self.believed_head().await?.number;
        let mut all = Round::default();
        for deployment in self.catalogue.deployments() {
            let Round { settled, left } = self.settle_deployment(deployment, latest).await?;
            all = Round { settled: all.settled + settled, left: all.left.max(left) };
        }
        self.settling.forget_before(latest.saturating_add(1).saturating_sub(self.confirmations));
        Ok(all)
    }

    async fn settle_deployment(&self, deployment: &Deployment, latest: u64) -> Result<Round, RelayError> {
        let begun_at = self.next_to_read(deployment, latest).await?;
        let mut next = begun_at;
        self.metrics.settlement_behind(deployment, latest, next);
        // A reorganisation may have put other operations into blocks that are not final.
        let mut from = next.saturating_sub(self.confirmations).min(latest);
        let (mut settled, mut questions, mut is_refused) = (0, 0, false);
        while from <= latest && (questions < MOST_QUESTIONS || from <= begun_at) {
            questions += 1;
            let at_once = self.settling.at_once.load(Ordering::Relaxed);
            let to = latest.min(from.saturating_add(at_once - 1));
            let mined = match self.chain.mined(deployment, from, to).await {
                // Nodes refuse a range that is too wide in many ways, none of which says so for certain.
                Err(ChainError::AnswerTooLarge { .. } | ChainError::Node { .. }) if to > from => {
                    self.settling.narrow(from, to);
                    is_refused = true;
                    continue;
                }
                // As refused, but each one costs the node, or us, a long time: the next round asks for fewer.
                Err(error @ (ChainError::LogsNotRead { .. } | ChainError::Unreachable { .. })) if to > from => {
                    self.settling.narrow(from, to);
                    return Err(error.into());
                }
                mined => mined?.iter().map(settlement_of).collect(),
            };
            next = next.max(to.saturating_add(1));
            let last_final = latest.checked_sub(self.confirmations);
            let read = BlocksRead { from, to, latest, last_final, mined, next };
            let Settled { ours, unknown, reorganised } = self.store.settle(deployment, &read).await?;
            self.metrics.settlement_behind(deployment, latest, next);
            settled += ours;
            for (user_op_hash, Settlement { block, .. }) in unknown {
                if self.settling.is_new(user_op_hash, block) {
                    tracing::warn!(%user_op_hash, block, "the paymaster paid for an unknown operation");
                }
            }
            if reorganised > 0 {
                tracing::info!(reorganised, "mined operations were reorganised away and may be mined again");
            }
            if to == u64::MAX {
                break;
            }
            from = to + 1;
        }
        if !is_refused {
            let at_once = self.settling.at_once.load(Ordering::Relaxed);
            self.settling.at_once.store(MOST_AT_ONCE.min(at_once * 2), Ordering::Relaxed);
        }
        Ok(Round { settled, left: latest.saturating_add(1).saturating_sub(next) })
    }

    /// The block from which on nothing was read yet, on this chain. The chain may be a little shorter than what was read: by a
    /// reorganisation, or since the node told of blocks that do not exist. Blocks that were mined meanwhile are then read
    /// again.
    async fn next_to_read(&self, deployment: &Deployment, latest: u64) -> Result<u64, RelayError> {
        let head = latest.saturating_add(1);
        // The first time there is nothing of ours to find in older blocks.
        let next = self.store.next_block(deployment).await?.unwrap_or(latest);
        if next.saturating_sub(head) <= self.confirmations {
            return Ok(next.min(head));
        }
        tracing::warn!(
            next,
            latest,
            "settlement had read beyond the latest block: does the node lag, or did it tell of blocks that do not exist? \
             the last {READ_AGAIN} blocks are read again"
        );
        Ok(head.saturating_sub(READ_AGAIN))
    }
}

fn settlement_of(op: &MinedOp) -> (UserOpHash, Settlement) {
    let MinedOp { user_op_hash, block, cost, succeeded } = *op;
    let cost = Gwei::at_least(cost).unwrap_or(Gwei::at_most(Wei(u128::MAX)));
    (user_op_hash, Settlement { block, cost, succeeded })
}
