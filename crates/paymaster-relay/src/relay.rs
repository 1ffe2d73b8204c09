//! The relay: its settings, checked, and the parts it is put together from.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breaker::OutageLog;
use serve::TrustedProxies;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::chain::{Block, ChainTime, EntryPointReader, Now, operation_of_nobody};
use crate::clients::{ApiKeys, Origins};
use crate::error::RelayError;
use crate::kms::{Kms, Wallets};
use crate::metrics::{Metrics, Stage};
use crate::nonce::NonceStore;
use crate::outage::{Needs, Outage};
use crate::paymaster_signers::PaymasterSigners;
use crate::ports::{Clock, Entropy};
use crate::relay_key::RelayKey;
use crate::rpc::CallLog;
use crate::settings::{RpcSettings, Settings, SettingsError};
use crate::settlement::Settling;
use crate::sponsor::{Granted, Refusals, Turns};
use crate::store::{Contracts, Gwei, Store};

const SWEEP: Duration = Duration::from_secs(5);

/// What a relay is put together from; the composition root chooses the implementations.
pub struct Parts {
    /// Sponsorships.
    pub store: Arc<dyn Store>,
    /// Claims of requests.
    pub nonces: Arc<dyn NonceStore>,
    /// The KMS.
    pub kms: Arc<dyn Kms>,
    /// The chain.
    pub chain: Arc<dyn EntryPointReader>,
    /// The relay's key.
    pub relay_key: Arc<RelayKey>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// API keys.
    pub api_keys: Arc<ApiKeys>,
}

/// Sponsors operations.
pub struct Relay {
    pub(crate) catalogue: Catalogue,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) nonces: Arc<dyn NonceStore>,
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) wallets: Wallets,
    pub(crate) chain: Arc<dyn EntryPointReader>,
    pub(crate) chain_time: ChainTime,
    pub(crate) confirmations: u64,
    pub(crate) relay_key: Arc<RelayKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) turns: Turns,
    pub(crate) refusals: Refusals,
    pub(crate) granted: Granted,
    pub(crate) rpc: RpcSettings,
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) allowed_origins: Arc<Origins>,
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
    pub(crate) settling: Settling,
    chain_log: OutageLog,
    pub(crate) call_log: Arc<CallLog>,
    pub(crate) paymaster_signers: PaymasterSigners,
}

impl Relay {
    /// Checks the settings against each other; asks nobody anything yet.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn new(settings: &Settings, parts: Parts) -> Result<Self, SettingsError> {
        let Parts { store, nonces, kms, chain, relay_key, clock, entropy, metrics, api_keys } = parts;
        Ok(Self {
            catalogue: Catalogue::new(settings)?,
            chain_time: ChainTime::default(),
            confirmations: settings.chain.confirmations,
            turns: Turns::default(),
            refusals: Refusals::new(settings.max_refusals, settings.validity_seconds),
            granted: Granted::default(),
            rpc: settings.rpc.clone(),
            allowed_origins: Arc::new(settings.rpc.origins()?),
            trusted_proxies: Arc::new(settings.rpc.proxies()?),
            api_keys,
            settling: Settling::default(),
            chain_log: OutageLog::new("the chain"),
            call_log: Arc::default(),
            paymaster_signers: PaymasterSigners::new(Arc::clone(&kms), Arc::clone(&chain), Arc::clone(&clock)),
            store,
            nonces,
            wallets: Wallets::new(Arc::clone(&kms), Arc::clone(&clock)),
            kms,
            chain,
            relay_key,
            clock,
            entropy,
            metrics,
        })
    }

    /// The settings, checked.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Gives expired reservations back and keeps the gauges true, until told to stop.
    pub async fn sweep(&self, stop: CancellationToken) {
        let (mut ticks, mut outage) = (interval(SWEEP), Outage::new("the sweep"));
        let mut clocks = Outage::new("the check of the clocks");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            outage.note(self.sweep_once().await, self.needs());
            clocks.note(self.check_clocks(), self.needs());
        }
    }

    /// What recurring work needs, and where its outages are told of.
    pub(crate) fn needs(&self) -> Needs<'_> {
        Needs { chain: &self.chain_log, store: self.store.outages() }
    }

    async fn sweep_once(&self) -> Result<(), RelayError> {
        // First: it needs nothing but the store.
        self.api_keys.save_usage().await?;
        self.nonces.tidy().await?;
        self.metrics.key_age(self.relay_key.age().await);
        self.release_expired().await?;
        for deployment in self.catalogue.deployments() {
            self.metrics.reserved(deployment, self.store.reserved(deployment).await?);
            // As a sponsorship reads them: what stands in its way is noticed here.
            let facts = self.chain.facts(deployment, &operation_of_nobody(), None, None).await?;
            self.metrics.deposit(deployment, Gwei::at_most(facts.paymaster.deposit));
        }
        Ok(())
    }

    /// Releases what no block can contain any more: a final block is past the window, and settlement has
    /// read all up to that one without finding it. On a chain that is idle nothing is released, since the
    /// next block may still be within it. Nor is anything while blocks are from the future: whether a
    /// window is over is not for the node alone to say.
    ///
    /// # Errors
    /// [`RelayError::ChainUnavailable`], [`RelayError::StoreUnavailable`].
    pub async fn release_expired(&self) -> Result<u64, RelayError> {
        let latest = self.chain.latest_block().await?;
        let now = self.note(latest);
        if now.is_host_behind() {
            return Ok(0);
        }
        let Some(last_final) = latest.number.checked_sub(self.confirmations) else {
            return Ok(0);
        };
        let (mut block, mut released) = (latest, 0);
        for (contracts, next) in self.store.next_blocks().await? {
            let Some(number) = self.last_settled(contracts, next, last_final) else { continue };
            if number != block.number {
                block = self.chain.block(number).await?;
            }
            released += self.store.release_expired(contracts, block.timestamp.min(now.bound())).await?;
        }
        self.metrics.reservations_expired(released);
        Ok(released)
    }

    /// The newest block up to which settlement has read only blocks that were final then; `None` while the
    /// chain is shorter than that. At contracts that are no longer configured nothing is read: the last
    /// final block.
    fn last_settled(&self, contracts: Contracts, next: u64, last_final: u64) -> Option<u64> {
        let mut configured = self.catalogue.deployments().iter().map(Contracts::from);
        if !configured.any(|deployment| deployment == contracts) {
            return Some(last_final);
        }
        next.checked_sub(1)?.checked_sub(self.confirmations).filter(|number| *number <= last_final)
    }

    /// Whether the clocks of host and chain agree within a minute, as far as the last look at the
    /// chain tells. An idle chain is no fault.
    ///
    /// # Errors
    /// [`RelayError::ChainClockAhead`], [`RelayError::ChainClockBehind`].
    pub fn check_clocks(&self) -> Result<(), RelayError> {
        match self.chain_time.last() {
            Some(last) if last.is_host_behind() => Err(RelayError::ChainClockAhead { seconds: last.apart() }),
            Some(last) if last.is_host_ahead() => Err(RelayError::ChainClockBehind { seconds: last.arrived_late }),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes note of the latest block.
    pub(crate) fn note(&self, block: Block) -> Now {
        self.chain_time.note(block, self.clock.now())
    }

    /// Unix seconds. The later of host and chain: a window that ended before is over on both.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().max(self.chain_time.last().map_or(0, |last| last.block))
    }

    pub(crate) async fn timed<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.metrics.stage(stage, begun.elapsed());
        done
    }
}
