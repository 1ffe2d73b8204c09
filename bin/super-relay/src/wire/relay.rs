//! Assembles the relay: stores, chain, key, and the given KMS.

use std::sync::Arc;

use paymaster_relay::bundler::Bundlers;
use paymaster_relay::catalogue::{Catalogue, LivePolicies};
use paymaster_relay::chain::RpcChain;
use paymaster_relay::chains::{Chain, Chains};
use paymaster_relay::claims::{ClaimStore, RedisClaims, SqliteClaims};
use paymaster_relay::clients::{ApiKeys, SqliteApiKeys};
use paymaster_relay::kms::Kms;
use paymaster_relay::metrics::Metrics;
use paymaster_relay::policy::ListedStandings;
use paymaster_relay::ports::{Clock, OsEntropy, SystemClock};
use paymaster_relay::register::{PolicyRegister, SqlitePolicies};
use paymaster_relay::relay_key::{RelayKey, passphrase};
use paymaster_relay::sqlite::Database;
use paymaster_relay::store::SqliteStore;
use paymaster_relay::{Deliverer, Parts, Readiness, RpcServer, Settings, Settler, Sponsor, Sweeper, Webhooks};
use prometheus::Registry;
use proto::Address;

use super::start_error;
use crate::error::Error;

/// The relay's services, and the parts to close after them.
pub struct OpenRelay {
    pub rpc: RpcServer,
    /// One for each chain.
    pub settlers: Vec<Arc<Settler>>,
    pub sweeper: Sweeper,
    /// One for each webhook.
    pub deliverers: Vec<Deliverer>,
    pub readiness: Arc<Readiness>,
    pub key: Arc<RelayKey>,
    pub store: SqliteStore,
    pub api_keys: Arc<ApiKeys>,
    pub policies: Arc<PolicyRegister>,
}

/// Opens the relay's key; creates it if it does not exist.
pub fn open_key(settings: &Settings, kms: Arc<dyn Kms>) -> Result<Arc<RelayKey>, Error> {
    let passphrase = passphrase(&settings.relay_key).map_err(start_error("the relay key"))?;
    let key = RelayKey::open(&settings.relay_key, passphrase, kms).map_err(start_error("the relay key"))?;
    Ok(Arc::new(key))
}

/// The same without changing the disk: `None` if there is no key yet.
pub fn look_at_key(settings: &Settings, kms: Arc<dyn Kms>) -> Result<Option<Arc<RelayKey>>, Error> {
    let passphrase = passphrase(&settings.relay_key).map_err(start_error("the relay key"))?;
    let key = RelayKey::look_at(&settings.relay_key, passphrase, kms).map_err(start_error("the relay key"))?;
    Ok(key.map(Arc::new))
}

/// The address of the relay's key, without calling a KMS.
pub fn key_address(settings: &Settings) -> Result<Address, Error> {
    let passphrase = passphrase(&settings.relay_key).map_err(start_error("the relay key"))?;
    RelayKey::address_on_disk(&settings.relay_key, passphrase).map_err(start_error("the relay key"))
}

/// Opens everything else.
pub async fn open(
    settings: &Settings,
    kms: Arc<dyn Kms>,
    key: Arc<RelayKey>,
    registry: &Registry,
) -> Result<OpenRelay, Error> {
    // Before its tables are migrated: the version before can still open a database that is refused.
    Database::look_at(&settings.database, &settings.chain_ids()).await.map_err(start_error("relay.database"))?;
    let store = SqliteStore::open(&settings.database).await.map_err(start_error("relay.database"))?;
    store.database().take_over(&settings.chain_ids()).await.map_err(start_error("relay.database"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let claims: Arc<dyn ClaimStore> = match &settings.redis {
        Some(redis) => Arc::new(RedisClaims::new(redis).map_err(start_error("relay.redis"))?),
        None => Arc::new(SqliteClaims::new(store.database(), Arc::clone(&clock))),
    };
    let entropy = Arc::new(OsEntropy);
    let stored = Arc::new(SqliteApiKeys::new(store.database()));
    let catalogue = Arc::new(Catalogue::new(settings).map_err(start_error("relay"))?);
    let live = catalogue.live_policies();
    let rows = Arc::new(SqlitePolicies::new(store.database()));
    let policies = PolicyRegister::open(settings, live, rows, Arc::clone(&clock)).await;
    let policies = Arc::new(policies.map_err(start_error("relay.policies"))?);
    let names: Arc<LivePolicies> = Arc::clone(live);
    let api_keys = ApiKeys::open(settings, names, stored, Arc::clone(&clock), Arc::<OsEntropy>::clone(&entropy))
        .await
        .map_err(start_error("relay.rpc"))?;
    let api_keys = Arc::new(api_keys);
    let metrics = Arc::new(Metrics::new(registry).map_err(start_error("metrics"))?);
    let webhooks = Webhooks::open(settings, &clock, &metrics).map_err(start_error("relay"))?;
    let chains = Arc::new(open_chains(settings, &catalogue, &clock, &metrics)?);
    let parts = Parts {
        catalogue,
        chains: Arc::clone(&chains),
        standings: Arc::new(
            ListedStandings::new(&settings.accounts, settings.default_account).map_err(start_error("relay"))?,
        ),
        store: Arc::new(store.clone()),
        claims,
        kms,
        relay_key: Arc::clone(&key),
        clock,
        entropy,
        metrics,
        api_keys: Arc::clone(&api_keys),
        webhooks: Arc::new(webhooks),
    };
    let sponsor = Arc::new(Sponsor::new(settings, &parts));
    let settlers: Vec<_> = chains.iter().map(|chain| Arc::new(Settler::new(chain, &parts))).collect();
    Ok(OpenRelay {
        rpc: RpcServer::new(&settings.rpc, sponsor, &parts).map_err(start_error("relay"))?,
        sweeper: Sweeper::new(settlers.clone(), &parts),
        deliverers: Deliverer::of_all(&parts.webhooks, &parts.store),
        readiness: Arc::new(Readiness::new(settlers.clone(), &parts)),
        settlers,
        key,
        store,
        api_keys,
        policies,
    })
}

fn open_chains(
    settings: &Settings,
    catalogue: &Catalogue,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Chains, Error> {
    let mut chains = Vec::new();
    for (chain, catalogue) in settings.all_chains().iter().zip(catalogue.chains()) {
        let reader = RpcChain::new(chain).map_err(start_error("relay"))?;
        let bundlers = Bundlers::of_chain(settings, chain, catalogue, metrics).map_err(start_error("relay"))?;
        let chain = Chain::new(Arc::clone(catalogue), Arc::new(reader), Arc::clone(clock));
        chains.push(chain.with_bundlers(bundlers));
    }
    Ok(Chains::new(chains))
}
