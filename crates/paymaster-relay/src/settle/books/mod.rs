//! The books of a chain: the ledger is compared with the chain, and old sponsorships are deleted.

mod tally;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::{Hash, Wei};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::tally::Tally;
use super::progress::Failure;
use super::pruned::REFUSED_ROUNDS;
use super::{PAUSE, Settler};
use crate::chain::ChainError;
use crate::deployment::Deployment;
use crate::error::RelayError;
use crate::outage::{Outage, rounds};
use crate::settings::LedgerSettings;
use crate::store::{Contracts, Reconciled};

/// Time between two looks for sponsorships to delete.
const BETWEEN_CLEANINGS: Duration = Duration::from_secs(60);
/// Time after which a comparison that failed is repeated.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
/// Maximum number of sponsorships deleted in one job of the writer, since other jobs wait for it.
const IN_JOB: u32 = 256;
const SECONDS_A_DAY: u64 = 24 * 60 * 60;
/// Failed comparisons in a row after which `/status` reports them.
const MOST_FAILURES: u32 = 3;
/// Number of operations that one comparison names in the log.
const MOST_NAMED: usize = 20;

/// See the module.
pub(super) struct Books {
    settings: LedgerSettings,
    states: Mutex<HashMap<Contracts, State>>,
}

/// What comparisons of one deployment found.
#[derive(Default)]
struct State {
    /// The difference that the last completed one found, in words.
    difference: Option<String>,
    /// Comparisons that failed since.
    failures: u32,
    failure: String,
}

/// The result of a completed comparison, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// By how much the ledger's costs are above those of the chain.
    pub costs: i128,
    /// By how much the deposit is above what its changes add up to; `None` if the node did not have
    /// the state at the beginning or the end.
    pub deposit: Option<i128>,
    /// Number of operations that the ledger does not know.
    pub foreign: u64,
}

impl Books {
    pub(super) fn new(settings: LedgerSettings) -> Self {
        Self { settings, states: Mutex::default() }
    }

    /// The problem of some deployment, for operators.
    pub(super) fn problem(&self) -> Option<String> {
        let states = self.states();
        let difference = states.values().find_map(|state| state.difference.clone());
        let failure =
            || states.values().find(|state| state.failures >= MOST_FAILURES).map(|state| state.failure.clone());
        difference.or_else(failure)
    }

    fn states(&self) -> MutexGuard<'_, HashMap<Contracts, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure; how many there are in a row.
    fn note_failure(&self, contracts: Contracts, failure: String) -> u32 {
        let mut states = self.states();
        let state = states.entry(contracts).or_default();
        state.failures = state.failures.saturating_add(1);
        state.failure = failure;
        state.failures
    }

    fn note_success(&self, contracts: Contracts, difference: Option<String>) {
        self.states().insert(contracts, State { difference, ..State::default() });
    }
}

impl Settler {
    /// What is wrong with the books, for operators.
    pub(crate) fn difference(&self) -> Option<String> {
        self.books.problem()
    }

    /// Keeps the books until stopped.
    pub async fn keep_books(&self, stop: CancellationToken) {
        let every = Duration::from_secs(self.books.settings.reconciliation_interval_seconds.max(1));
        let reconciling = async {
            let mut outage = Outage::new(self.chain.work("the reconciliation"));
            loop {
                let outcome = self.reconcile().await;
                let pause = if outcome.is_ok() { every } else { every.min(AFTER_FAILURE) };
                outage.note(outcome, self.needs());
                sleep(pause).await;
            }
        };
        let cleaning = async {
            let (mut ticks, mut outage) =
                (rounds(BETWEEN_CLEANINGS), Outage::new(self.chain.work("the deletion of old sponsorships")));
            loop {
                ticks.tick().await;
                outage.note(self.forget_old().await, self.needs());
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = reconciling => {}
            () = cleaning => {}
        }
    }

    /// Deletes the chain's settled and released sponsorships that are older than
    /// `ledger.retention_days`, by the earlier one of the clocks of host and chain. Returns how
    /// many.
    ///
    /// # Errors
    /// [`RelayError::StoreUnavailable`]; those that were deleted before stay deleted.
    pub async fn forget_old(&self) -> Result<u64, RelayError> {
        let (days, now) = (self.books.settings.retention_days, self.chain.time.last());
        let Some(now) = now.filter(|_| days > 0) else { return Ok(0) };
        let before = now.earliest().saturating_sub(days.saturating_mul(SECONDS_A_DAY));
        let mut deleted = 0;
        loop {
            let more = self.store.forget(self.chain.id(), before, IN_JOB).await?;
            deleted += more;
            if more < IN_JOB.into() {
                return Ok(deleted);
            }
        }
    }

    /// Compares the ledger with the chain for every deployment, in the final blocks since the last
    /// time; the first time it only begins there. Returns the results in the order of the
    /// deployments that were compared.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], [`RelayError::StoreUnavailable`] of the last deployment
    /// that failed: the next call compares the same blocks, and later ones.
    pub async fn reconcile(&self) -> Result<Vec<Reconciliation>, RelayError> {
        let latest = self.reader.latest_block().await?;
        let at = self.chain.time.note(latest).host;
        let Some(last_final) = latest.number.checked_sub(self.confirmations()) else { return Ok(Vec::new()) };
        let (mut results, mut failed) = (Vec::new(), None);
        for deployment in self.chain.catalogue.deployments() {
            match self.reconcile_deployment(deployment, last_final).await {
                Ok(None) => {}
                Ok(Some(result)) => {
                    let Reconciliation { costs, deposit, foreign } = result;
                    self.metrics.books.reconciled(deployment, at, costs, deposit, foreign);
                    results.push(result);
                }
                Err(error) => {
                    self.metrics.books.reconciliation_failed(deployment);
                    failed = Some(self.give_up_if_pruned(deployment, last_final, error).await);
                }
            }
        }
        failed.map_or(Ok(results), |failure| Err(failure.error))
    }

    /// `None` if there was nothing to compare.
    async fn reconcile_deployment(
        &self,
        deployment: &Deployment,
        last_final: u64,
    ) -> Result<Option<Reconciliation>, RelayError> {
        let contracts = Contracts::from(deployment);
        // What settlement has not read as final is not booked for good.
        let booked = match self.store.next_block(deployment).await? {
            Some(next) => next.checked_sub(1 + self.confirmations()),
            None => Some(last_final),
        };
        let Some(last) = booked.map(|booked| booked.min(last_final)) else { return Ok(None) };
        let begun = match self.store.reconciled(contracts).await? {
            // The node may lag.
            Some(begun) if begun.block > last => return Ok(None),
            Some(begun) if self.is_still_there(&begun).await? => begun,
            Some(begun) => {
                tracing::warn!(
                    block = begun.block,
                    last,
                    "the block up to which ledger and chain were compared has another hash now: what came after it is not compared"
                );
                return self.begin(deployment, last).await.map(|()| None);
            }
            None => return self.begin(deployment, last).await.map(|()| None),
        };
        let tally = self.count(deployment, &begun, last).await?;
        let end = self.block_of(deployment, last).await?;
        let booked = self.store.booked_between(contracts, begun.block, last).await?;
        let result = Reconciliation {
            costs: difference(booked, tally.ours),
            deposit: tally.unexplained(end.deposit),
            foreign: tally.foreign,
        };
        self.report(deployment, (begun.block + 1, last), &tally, result, booked);
        self.store.note_reconciled(contracts, end).await?;
        Ok(Some(result))
    }

    /// A node may keep no old blocks: then nothing tells that it is another chain.
    async fn is_still_there(&self, begun: &Reconciled) -> Result<bool, RelayError> {
        match self.reader.hash_of(begun.block).await {
            Ok(Some(hash)) => Ok(hash == begun.hash),
            Ok(None) | Err(ChainError::Node { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    async fn begin(&self, deployment: &Deployment, last: u64) -> Result<(), RelayError> {
        let end = self.block_of(deployment, last).await?;
        Ok(self.store.note_reconciled(deployment.into(), end).await?)
    }

    async fn block_of(&self, deployment: &Deployment, block: u64) -> Result<Reconciled, RelayError> {
        let missing = || ChainError::node(format!("the node has no block {block}"));
        let hash: Hash = self.reader.hash_of(block).await?.ok_or_else(missing)?;
        let deposit = match self.deposit_at(deployment, block).await {
            Err(ChainError::Node { .. }) => {
                sleep(PAUSE).await;
                self.deposit_at(deployment, block).await
            }
            answer => answer,
        };
        let deposit = match deposit {
            Err(ChainError::Node { detail }) => {
                tracing::info!(
                    block,
                    detail,
                    "the node has no state of that block: the deposit is not compared with the chain"
                );
                None
            }
            answer => Some(answer?),
        };
        Ok(Reconciled { block, hash, deposit })
    }

    async fn deposit_at(&self, deployment: &Deployment, block: u64) -> Result<Wei, ChainError> {
        self.reader.deposit_at(deployment, block).await
    }

    /// Reads what changed the deposit in the blocks after one, and looks it up in the ledger.
    async fn count(&self, deployment: &Deployment, begun: &Reconciled, last: u64) -> Result<Tally, RelayError> {
        let contracts = Contracts::from(deployment);
        let mut tally = Tally::new(begun.deposit);
        let (mut from, mut width) = (begun.block + 1, self.progress.width(contracts));
        while from <= last {
            let to = width.last_block(from, last);
            let read = async {
                let ops = self.reader.mined(deployment, from, to).await?;
                Ok::<_, ChainError>((ops, self.reader.deposit_events(deployment, from, to).await?))
            };
            match read.await {
                Ok((ops, events)) => {
                    width.note_answered(from, to);
                    let mut bookings = Vec::with_capacity(ops.len());
                    for op in &ops {
                        bookings.push(self.store.booking(contracts, &op.into()).await?);
                    }
                    tally.add(&ops, &bookings, &events);
                    from = to + 1;
                }
                Err(ChainError::AnswerTooLarge { .. } | ChainError::Node { .. }) if to > from => {
                    if width.note_refused(from, to) {
                        sleep(PAUSE).await;
                    }
                }
                Err(ChainError::LogsNotRead { .. }) if to > from => width.note_too_slow(from, to),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(tally)
    }

    fn report(
        &self,
        deployment: &Deployment,
        (from, to): (u64, u64),
        tally: &Tally,
        result: Reconciliation,
        booked: Wei,
    ) {
        let Reconciliation { costs, deposit, foreign } = result;
        let (entry_point, paymaster) = (deployment.entry_point.address, deployment.paymaster);
        for finding in tally.findings.iter().take(MOST_NAMED) {
            tracing::warn!(%entry_point, %paymaster, "the ledger differs from the chain: {finding}");
        }
        if foreign > 0 {
            tracing::info!(
                %entry_point,
                %paymaster,
                foreign,
                cost = %tally.foreign_cost,
                first = ?tally.first_foreign,
                "the paymaster paid for operations that this ledger does not know, of another relay unless rows were lost"
            );
        }
        let mut problem = None;
        let deposit = deposit.unwrap_or_default();
        if costs != 0 || deposit != 0 || !tally.findings.is_empty() {
            tracing::warn!(
                %entry_point,
                %paymaster,
                from,
                to,
                costs,
                deposit,
                booked = %booked,
                on_chain = %tally.ours,
                "the ledger differs from the chain"
            );
            problem = Some(format!(
                "in the blocks {from} to {to}, the ledger's costs are {costs} wei above those of the chain, the deposit of \
                 {paymaster} is {deposit} wei above the sum of its changes, and {} operations are booked otherwise: see the log",
                tally.findings.len()
            ));
        }
        self.books.note_success(deployment.into(), problem);
    }

    /// Begins anew if the node has refused the logs, or the state, for so long that it has pruned
    /// them.
    async fn give_up_if_pruned(&self, deployment: &Deployment, last_final: u64, error: RelayError) -> Failure {
        let is_refusal = matches!(
            error,
            RelayError::ChainUnavailable(
                ChainError::Node { .. } | ChainError::LogsLag { .. } | ChainError::LogsNotRead { .. }
            )
        );
        let failure = self.at(deployment.into(), error);
        let failures = self.books.note_failure(deployment.into(), failure.problem.clone());
        if is_refusal && failures >= REFUSED_ROUNDS && self.begin(deployment, last_final).await.is_ok() {
            tracing::warn!(
                block = last_final,
                problem = failure.problem,
                "ledger and chain could not be compared: the comparison begins anew at this block"
            );
            self.books.note_success(deployment.into(), None);
        }
        failure
    }
}

/// Of amounts below 2^127 wei, as all that exist.
fn difference(left: Wei, right: Wei) -> i128 {
    signed(left).saturating_sub(signed(right))
}

fn signed(wei: Wei) -> i128 {
    i128::try_from(wei.0).unwrap_or(i128::MAX)
}
