//! Recurring upkeep: gives expired reservations back and keeps the gauges true.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::chain::{ChainTime, EntryPointReader, operation_of_nobody};
use crate::claims::ClaimStore;
use crate::clients::ApiKeys;
use crate::error::RelayError;
use crate::gwei::Gwei;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::parts::Parts;
use crate::relay_key::RelayKey;
use crate::settle::Settler;
use crate::store::Store;

const EVERY: Duration = Duration::from_secs(5);

/// Does what has to be done now and then, whether or not anybody asks for a sponsorship.
pub struct Sweeper {
    settler: Arc<Settler>,
    catalogue: Arc<Catalogue>,
    store: Arc<dyn Store>,
    claims: Arc<dyn ClaimStore>,
    chain: Arc<dyn EntryPointReader>,
    chain_time: Arc<ChainTime>,
    relay_key: Arc<RelayKey>,
    metrics: Arc<Metrics>,
    api_keys: Arc<ApiKeys>,
}

impl Sweeper {
    /// Does nothing yet.
    #[must_use]
    pub fn new(settler: Arc<Settler>, parts: &Parts) -> Self {
        let Parts { catalogue, store, claims, chain, chain_time, relay_key, metrics, api_keys, .. } = parts.clone();
        Self { settler, catalogue, store, claims, chain, chain_time, relay_key, metrics, api_keys }
    }

    /// Sweeps until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut ticks, mut outage) = (interval(EVERY), Outage::new("the sweep"));
        let mut clocks = Outage::new("the check of the clocks");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            outage.note(self.sweep().await, self.settler.needs());
            clocks.note(self.chain_time.check().map_err(RelayError::from), self.settler.needs());
        }
    }

    async fn sweep(&self) -> Result<(), RelayError> {
        // First: it needs nothing but the store.
        self.api_keys.save_usage().await?;
        self.claims.tidy().await?;
        self.metrics.key_age(self.relay_key.age().await);
        self.settler.release_expired().await?;
        for deployment in self.catalogue.deployments() {
            self.metrics.reserved(deployment, self.store.reserved(deployment).await?);
            // As a sponsorship reads them: what stands in its way is noticed here.
            let facts = self.chain.facts(deployment, &operation_of_nobody(), None, None).await?;
            self.metrics.deposit(deployment, Gwei::at_most(facts.paymaster.deposit));
        }
        Ok(())
    }
}
