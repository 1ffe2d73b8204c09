//! Recurring upkeep: releases expired reservations and updates the gauges.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::chain::operation_of_nobody;
use crate::claims::ClaimStore;
use crate::clients::ApiKeys;
use crate::deployment::Deployment;
use crate::deposit_guard::hours_left;
use crate::error::RelayError;
use crate::gwei::Gwei;
use crate::metrics::Metrics;
use crate::outage::{Needs, Outage, rounds};
use crate::parts::Parts;
use crate::ports::Clock;
use crate::relay_key::RelayKey;
use crate::settle::Settler;
use crate::store::Store;

const EVERY: Duration = Duration::from_secs(5);
/// Seconds for which the counters of a window outlive it: a clock that was ahead and is set right
/// grants no limit twice.
const WINDOWS_KEPT: u64 = 7 * 24 * 60 * 60;

/// Does periodic work, whether or not there are requests.
pub struct Sweeper {
    settlers: Vec<Arc<Settler>>,
    store: Arc<dyn Store>,
    claims: Arc<dyn ClaimStore>,
    relay_key: Arc<RelayKey>,
    metrics: Arc<Metrics>,
    api_keys: Arc<ApiKeys>,
    clock: Arc<dyn Clock>,
}

impl Sweeper {
    /// Does nothing yet. There is one settler per chain.
    #[must_use]
    pub fn new(settlers: Vec<Arc<Settler>>, parts: &Parts) -> Self {
        let Parts { store, claims, relay_key, metrics, api_keys, clock, .. } = parts.clone();
        Self { settlers, store, claims, relay_key, metrics, api_keys, clock }
    }

    /// Sweeps until stopped; a chain whose node does not answer delays no other.
    pub async fn run(&self, stop: CancellationToken) {
        let chains = self.settlers.iter().map(|settler| async {
            tokio::join!(self.sweep_chain(settler, &stop), release_used(settler, &stop));
        });
        tokio::join!(self.keep_up(&stop), join_all(chains));
    }

    async fn keep_up(&self, stop: &CancellationToken) {
        let (mut ticks, mut outage) = (rounds(EVERY), Outage::new("upkeep"));
        let needs = Needs { chain: None, store: self.store.outages() };
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            outage.note(self.keep_up_once().await, needs);
        }
    }

    /// Work that needs no chain.
    async fn keep_up_once(&self) -> Result<(), RelayError> {
        // Here, since the sweep of a chain waits for its node.
        for chain in self.settlers.iter().map(|settler| settler.chain()) {
            if let Some(seconds) = chain.time.block_age() {
                self.metrics.block_age(chain.id(), seconds);
            }
        }
        self.api_keys.save_usage().await?;
        self.claims.tidy().await?;
        self.store.forget_windows(self.clock.now().saturating_sub(WINDOWS_KEPT)).await?;
        self.metrics.key_age(self.relay_key.age().await);
        Ok(())
    }

    async fn sweep_chain(&self, settler: &Settler, stop: &CancellationToken) {
        let chain = settler.chain();
        let (mut ticks, mut outage) = (rounds(EVERY), Outage::new(chain.work("the sweep")));
        let mut clocks = Outage::new(chain.work("the check of the clocks"));
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(outcome) = stop.run_until_cancelled(self.sweep(settler)).await else { return };
            outage.note(outcome, settler.needs());
            clocks.note(chain.time.check().map_err(RelayError::from), settler.needs());
        }
    }

    async fn sweep(&self, settler: &Settler) -> Result<(), RelayError> {
        let mut outcome = settler.release_unused().await.map(drop);
        for deployment in settler.chain().catalogue.deployments() {
            // One that fails hides no other.
            outcome = outcome.and(self.update_gauges(settler, deployment).await);
        }
        outcome
    }

    async fn update_gauges(&self, settler: &Settler, deployment: &Deployment) -> Result<(), RelayError> {
        let reserved = self.store.reserved(deployment).await?;
        self.metrics.reserved(deployment, reserved);
        // Reads them like a sponsorship does, so that its problems are noticed here.
        let facts = settler.chain().reader.facts(deployment, &operation_of_nobody(), None, None).await?;
        let deposit = Gwei::at_most(facts.paymaster.deposit);
        self.metrics.deposit(deployment, deposit);
        let now = settler.chain().time.now();
        self.metrics.books.hours_left(deployment, hours_left(&*self.store, deployment, deposit, reserved, now).await?);
        Ok(())
    }
}

/// Beside the sweep, since a node may take minutes for its logs.
async fn release_used(settler: &Settler, stop: &CancellationToken) {
    let mut ticks = rounds(EVERY);
    let mut outage = Outage::new(settler.chain().work("the look-up of used nonces"));
    let mut round = async || {
        ticks.tick().await;
        outage.note(settler.release_used().await.map(drop), settler.needs());
    };
    while stop.run_until_cancelled(round()).await.is_some() {}
}
