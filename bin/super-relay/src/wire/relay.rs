//! Puts the relay together: stores, chain, key, and the KMS it was given.

use std::sync::Arc;

use paymaster_relay::catalogue::Catalogue;
use paymaster_relay::chain::{ChainTime, RpcChain};
use paymaster_relay::claims::{ClaimStore, RedisClaims, SqliteClaims};
use paymaster_relay::clients::{ApiKeys, SqliteApiKeys};
use paymaster_relay::kms::Kms;
use paymaster_relay::metrics::Metrics;
use paymaster_relay::policy::ListedStandings;
use paymaster_relay::ports::{Clock, OsEntropy, SystemClock};
use paymaster_relay::relay_key::{RelayKey, passphrase};
use paymaster_relay::store::SqliteStore;
use paymaster_relay::{Parts, Readiness, RpcServer, Settings, Settler, Sponsor, Sweeper};
use prometheus::Registry;
use proto::Address;

use super::start_error;
use crate::error::Error;

/// The relay's services, and what must be closed after them.
pub struct OpenRelay {
    pub rpc: Arc<RpcServer>,
    pub settler: Arc<Settler>,
    pub sweeper: Sweeper,
    pub readiness: Arc<Readiness>,
    pub key: Arc<RelayKey>,
    pub store: SqliteStore,
    pub api_keys: Arc<ApiKeys>,
}

/// Opens the relay's key; makes one where there is none.
pub fn open_key(settings: &Settings, kms: Arc<dyn Kms>) -> Result<Arc<RelayKey>, Error> {
    let passphrase = passphrase(&settings.relay_key).map_err(start_error("the relay key"))?;
    let key = RelayKey::open(&settings.relay_key, passphrase, kms).map_err(start_error("the relay key"))?;
    Ok(Arc::new(key))
}

/// The same without a change on disk: `None` where there is no key yet.
pub fn look_at_key(settings: &Settings, kms: Arc<dyn Kms>) -> Result<Option<Arc<RelayKey>>, Error> {
    let passphrase = passphrase(&settings.relay_key).map_err(start_error("the relay key"))?;
    let key = RelayKey::look_at(&settings.relay_key, passphrase, kms).map_err(start_error("the relay key"))?;
    Ok(key.map(Arc::new))
}

/// The address of the relay's key, with nobody to ask.
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
    let store = SqliteStore::open(&settings.database).await.map_err(start_error("relay.database"))?;
    store.database().take_over(&[settings.chain.chain_id]).await.map_err(start_error("relay.database"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let claims: Arc<dyn ClaimStore> = match &settings.redis {
        Some(redis) => Arc::new(RedisClaims::new(redis).map_err(start_error("relay.redis"))?),
        None => Arc::new(SqliteClaims::new(store.database(), Arc::clone(&clock))),
    };
    let entropy = Arc::new(OsEntropy);
    let stored = Arc::new(SqliteApiKeys::new(store.database()));
    let api_keys = ApiKeys::open(settings, stored, Arc::clone(&clock), Arc::<OsEntropy>::clone(&entropy))
        .await
        .map_err(start_error("relay.rpc"))?;
    let api_keys = Arc::new(api_keys);
    let parts = Parts {
        catalogue: Arc::new(Catalogue::new(settings).map_err(start_error("relay"))?),
        standings: Arc::new(
            ListedStandings::new(&settings.accounts, settings.default_account).map_err(start_error("relay"))?,
        ),
        store: Arc::new(store.clone()),
        claims,
        kms,
        chain: Arc::new(RpcChain::new(&settings.chain).map_err(start_error("relay.chain"))?),
        chain_time: Arc::new(ChainTime::new(Arc::clone(&clock))),
        relay_key: Arc::clone(&key),
        clock,
        entropy,
        metrics: Arc::new(Metrics::new(registry).map_err(start_error("metrics"))?),
        api_keys: Arc::clone(&api_keys),
    };
    let sponsor = Arc::new(Sponsor::new(settings, &parts));
    let settler = Arc::new(Settler::new(settings.chain.confirmations, &parts));
    Ok(OpenRelay {
        rpc: Arc::new(RpcServer::new(&settings.rpc, sponsor, &parts).map_err(start_error("relay"))?),
        sweeper: Sweeper::new(Arc::clone(&settler), &parts),
        readiness: Arc::new(Readiness::new(Arc::clone(&settler), &parts)),
        settler,
        key,
        store,
        api_keys,
    })
}
