//! Settlement: releases the reservation of a mined operation once its block is final. It reads the
//! chain's `UserOperationEvent`s, and records how far it read, so that a restart misses nothing.

mod account_logs;
mod books;
mod expired;
mod head;
mod paced;
mod progress;
mod pruned;
mod used;
mod width;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use breaker::OutageLog;
use proto::UserOpHash;
use serve::LineRation;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::account_logs::AccountLogs;
use self::books::Books;
pub use self::books::Reconciliation;
use self::paced::PacedReader;
use self::progress::{Failure, MOST_QUERIES, Progress, Round};
use self::used::Used;
use self::width::Width;
use crate::chain::{ChainError, MinedOp};
use crate::chains::Chain;
use crate::deployment::Deployment;
use crate::error::RelayError;
use crate::metrics::Metrics;
use crate::outage::{Needs, Outage, rounds};
use crate::parts::Parts;
use crate::store::{BlocksRead, Contracts, Settled, Settlement, Store};

/// Minimum number of blocks to reread after the chain turned out to be shorter than what was read;
/// a chain shorter by at most this many is believed.
const READ_AGAIN: u64 = 1000;
/// The time after which a query is repeated that the node may have refused for its rate, without
/// saying so.
const PAUSE: Duration = Duration::from_secs(1);

/// Settles mined operations on one chain and releases expired reservations.
pub struct Settler {
    chain: Arc<Chain>,
    reader: PacedReader,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    progress: Progress,
    /// What the last [`Self::release_unused`] found used, until it is looked up.
    used: Mutex<Option<Vec<Used>>>,
    account_logs: AccountLogs,
    chain_log: OutageLog,
    unknown_log: LineRation,
    books: Books,
}

impl Settler {
    /// The settler of one chain. Makes no requests yet.
    #[must_use]
    pub fn new(chain: &Arc<Chain>, parts: &Parts) -> Self {
        let Parts { store, metrics, catalogue, .. } = parts.clone();
        let (progress, chain_log) = (Progress::default(), OutageLog::new(chain.name()));
        let (used, account_logs) = Default::default();
        let unknown_log = LineRation::new(format!("unknown operations, {}", chain.name()));
        let (chain, reader) = (Arc::clone(chain), PacedReader::new(Arc::clone(&chain.reader)));
        let books = Books::new(catalogue.ledger);
        Self { chain, reader, store, metrics, progress, used, account_logs, chain_log, unknown_log, books }
    }

    /// Its chain.
    pub(crate) fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Number of blocks on top of a final one.
    fn confirmations(&self) -> u64 {
        self.chain.catalogue.confirmations
    }

    /// The dependencies of the recurring work, for their outage logs.
    pub(crate) fn needs(&self) -> Needs<'_> {
        Needs { chain: Some(&self.chain_log), store: self.store.outages() }
    }

    /// The problem of the last round, for operators.
    pub(crate) fn problem(&self) -> Option<String> {
        self.progress.problem()
    }

    /// Settles at every interval, until stopped.
    pub async fn run(&self, every: Duration, stop: CancellationToken) {
        let (mut ticks, mut outage) =
            (rounds(every.max(Duration::from_secs(1))), Outage::new(self.chain.work("settlement")));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let Some(outcome) = stop.run_until_cancelled(self.settle()).await else { return };
            outage.note(outcome, self.needs());
        }
    }

    /// Reads mined operations for every deployment: blocks that were not final the last time, and
    /// as many newer ones as fit into a round. Returns the number of our operations in them,
    /// including those that an earlier round found in the same blocks.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], [`RelayError::StoreUnavailable`] of the first deployment
    /// that failed. Blocks that were read stay recorded, and the next call continues after them.
    pub async fn settle(&self) -> Result<u64, RelayError> {
        let outcome = self.settle_all().await;
        self.progress.note(&outcome);
        outcome.map(|round| round.settled).map_err(|failure| failure.error)
    }

    /// A failure at one deployment keeps no other from being settled.
    async fn settle_all(&self) -> Result<Round, Failure> {
        let latest = self.believed_head().await?.number;
        let (mut all, mut failed) = (Round::default(), None);
        for deployment in self.chain.catalogue.deployments() {
            match self.settle_deployment(deployment, latest).await {
                Ok(Round { settled, left }) => {
                    all = Round { settled: all.settled + settled, left: all.left.max(left) };
                }
                Err(error) => failed = failed.or(Some(self.at(deployment.into(), error))),
            }
        }
        self.progress.forget_before(latest.saturating_add(1).saturating_sub(self.confirmations()));
        failed.map_or(Ok(all), Err)
    }

    /// Names the EntryPoint of a failed deployment if there are several.
    fn at(&self, Contracts { entry_point, .. }: Contracts, error: RelayError) -> Failure {
        let failure = Failure::from(error);
        match self.chain.catalogue.deployments() {
            [_] => failure,
            _ => Failure { problem: format!("EntryPoint {entry_point}: {}", failure.problem), ..failure },
        }
    }

    async fn settle_deployment(&self, deployment: &Deployment, latest: u64) -> Result<Round, RelayError> {
        let begun_at = self.next_to_read(deployment, latest).await?;
        let mut next = begun_at;
        self.metrics.settlement_behind(deployment, latest, next);
        // A reorganisation may have put other operations into blocks that are not final.
        let mut from = next.saturating_sub(self.confirmations()).min(latest);
        let (mut settled, mut queries, contracts) = (0, 0, Contracts::from(deployment));
        // The last block to request: before the latest if the logs lag.
        let (mut end, mut step, mut lag) = (latest, 1, None);
        // The last blocks whose query was repeated.
        let mut repeated = None;
        while from <= end && queries < MOST_QUERIES {
            // Blocks that are reread are not counted: with many confirmations, a round would read
            // no new ones.
            queries += u64::from(from > begun_at);
            let mut width = self.progress.width(contracts);
            let to = width.last_block(from, end);
            let mined = match self.reader.mined(deployment, from, to).await {
                // Nodes refuse too wide a range in many ways, none of which is unambiguous.
                Err(ChainError::AnswerTooLarge { .. } | ChainError::Node { .. }) if to > from => {
                    if width.note_refused(from, to) {
                        sleep(PAUSE).await;
                    }
                    self.progress.note_width(contracts, width);
                    continue;
                }
                // Like a refusal, but each one takes the node, or us, a long time: the next round
                // requests fewer blocks.
                Err(error @ ChainError::LogsNotRead { .. }) if to > from => {
                    width.note_too_slow(from, to);
                    self.progress.note_width(contracts, width);
                    return Err(error.into());
                }
                // The node may only limit how often it is queried, in its own words.
                Err(ChainError::Node { .. } | ChainError::Unreachable { .. }) if repeated != Some((from, to)) => {
                    repeated = Some((from, to));
                    sleep(PAUSE).await;
                    continue;
                }
                // An outage; or what makes a proxy or a node close the connection.
                Err(error @ ChainError::Unreachable { .. }) if to > from => {
                    width.note_too_slow(from, to);
                    self.progress.note_width(contracts, width);
                    return Err(error.into());
                }
                Err(refusal @ (ChainError::Node { .. } | ChainError::LogsNotRead { .. })) => {
                    // Not even one block: the number of blocks is not the reason. If each refusal
                    // takes long, later rounds should get to that block at once.
                    if matches!(refusal, ChainError::Node { .. }) {
                        self.progress.note_width(contracts, Width::default());
                    }
                    from = self.first_not_pruned(deployment, from, latest, refusal).await?;
                    continue;
                }
                // Some of the blocks before that one may be available.
                Err(ChainError::LogsLag { missing }) if missing > from => {
                    lag = Some(missing);
                    (end, step) = (missing.saturating_sub(step).max(from), step * 2);
                    continue;
                }
                Err(refusal @ ChainError::LogsLag { missing }) => {
                    lag = Some(missing);
                    if latest.saturating_add(1).saturating_sub(next) <= self.confirmations() {
                        break;
                    }
                    // Some nodes answer null for old blocks, instead of an error.
                    from = self.first_not_pruned(deployment, from, latest, refusal).await?;
                    (end, step, lag) = (latest, 1, None);
                    continue;
                }
                mined => mined?.iter().map(|op| settlement_of(&op.mined)).collect(),
            };
            self.progress.given(contracts, to);
            width.note_answered(from, to);
            self.progress.note_width(contracts, width);
            next = next.max(to.saturating_add(1));
            let last_final = latest.checked_sub(self.confirmations());
            let read = BlocksRead { from, to, latest, last_final, mined, next };
            let Settled { ours, unknown, reorganised } = self.store.settle(deployment, &read).await?;
            self.metrics.settlement_behind(deployment, latest, next);
            settled += ours;
            for (user_op_hash, Settlement { block, .. }) in unknown {
                if self.progress.is_new(user_op_hash, block) && self.unknown_log.admits_line() {
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
        let left = latest.saturating_add(1).saturating_sub(next);
        match lag {
            // The backends of a load balancer are rarely at the same block.
            Some(_) if left <= self.confirmations() => Ok(Round { settled, left: 0 }),
            Some(missing) => Err(ChainError::LogsLag { missing }.into()),
            None => Ok(Round { settled, left }),
        }
    }

    /// The first block on this chain that was not read yet. The chain may be a little shorter than
    /// what was read: because of a reorganisation, or because the node reported blocks that do not
    /// exist. Blocks mined in the meantime are then reread.
    async fn next_to_read(&self, deployment: &Deployment, latest: u64) -> Result<u64, RelayError> {
        let head = latest.saturating_add(1);
        // A reservation records where to begin: without one, older blocks contain nothing of ours.
        let next = self.store.next_block(deployment).await?.unwrap_or(latest);
        if next.saturating_sub(head) <= self.confirmations() {
            return Ok(next.min(head));
        }
        tracing::warn!(
            next,
            latest,
            "settlement had read beyond the latest block: does the node lag, or did it report blocks that do not exist? \
             the last {READ_AGAIN} blocks are reread"
        );
        Ok(head.saturating_sub(READ_AGAIN))
    }
}

fn settlement_of(op: &MinedOp) -> (UserOpHash, Settlement) {
    let MinedOp { user_op_hash, block, transaction, cost, gas_used, succeeded, .. } = *op;
    (user_op_hash, Settlement { block, transaction, cost, gas_used, succeeded })
}
