//! The service behind the routes, for callers over HTTP and in process.

mod above_ceiling;
mod account_count;
mod accounts;
mod admin;
mod admin_counter;
mod admin_proof;
mod allowances;
mod attestation;
mod caller;
mod checks;
mod decision;
mod error;
mod forget;
mod known;
mod message_ration;
mod messages;
mod operations;
mod paymaster_signers;
mod permits;
mod quotes;
mod refusal_ration;
mod refused_content;
mod relying_party;
mod replies;
mod rotations;
mod strangers;
mod unknown;
mod verify_audit;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use breaker::OutageLog;
use prometheus::Registry;
use proto::command::{Provisioned, SecurityState};
use proto::{Address, EntryPoint, Status};
use serve::{LineRation, TrustedProxies};
use thiserror::Error;
use tokio::sync::Semaphore;

pub use accounts::CreatedAccount;
pub use admin_proof::AdminProof;
pub use attestation::Attestation;
pub use caller::{Caller, Principal};
pub use error::GatewayError;
pub use forget::ForgetError;
pub use quotes::QuoteTurn;
pub use relying_party::NotSealed;

use crate::api_keys::ApiKeys;
use crate::ceremony::Ceremonies;
use crate::clock::Clock;
use crate::factory::AccountFactory;
use crate::metrics::Metrics;
use crate::settings::{InvalidSettings, Settings};
use crate::store::{AuditHead, SqliteStore, Store, StoreError};
use crate::tee::Tee;
use crate::transport::{QueueStats, TeeTransport};
use account_count::AccountCount;
use admin_counter::AdminCounter;
use allowances::KnownAllowances;
use known::Known;
use message_ration::MessageRation;
use quotes::Quotes;
use refusal_ration::RefusalRation;
use refused_content::RefusedContent;
use rotations::Rotations;
use strangers::Strangers;
use unknown::UnknownAccounts;

const DATABASE: &str = "gateway.sqlite";

/// The KMS. Cheap to clone; all clones share their state.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    tee: Tee,
    store: Arc<dyn Store>,
    ceremonies: Ceremonies,
    clock: Arc<dyn Clock>,
    factory: Option<Arc<dyn AccountFactory>>,
    settings: Settings,
    api_keys: ApiKeys,
    trusted_proxies: TrustedProxies,
    metrics: Arc<Metrics>,
    account_count: AccountCount,
    known: Known,
    allowances: KnownAllowances,
    admin_counter: AdminCounter,
    rotations: Rotations,
    refused_content: RefusedContent,
    refusal_ration: RefusalRation,
    quotes: Arc<Quotes>,
    unknown: UnknownAccounts,
    /// Turns of lookups of unknown accounts.
    strangers: Strangers,
    /// Turns of messages.
    messages: Strangers,
    message_ration: MessageRation,
    /// Allows one sweep at a time over interrupted account creations.
    sweep: Arc<Semaphore>,
    creations_log: OutageLog,
    /// Rate limit for log lines about requests that anyone may send.
    refusals_log: LineRation,
}

/// The gateway cannot be started.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The data folder cannot be created.
    #[error("the gateway's data folder: {0}")]
    DataDir(#[from] std::io::Error),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `rp_id` and `origins` contradict each other.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The TEE does not identify itself, or is not the one that this gateway has served.
    #[error(transparent)]
    Tee(GatewayError),
    /// Metrics with the same names are already registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The counts for `/stats`.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Accounts created through this gateway, at most a few seconds old.
    pub accounts: u64,
    /// The newest audit row. A copy kept elsewhere reveals rows removed from the end.
    pub audit: AuditHead,
    /// The queue to the TEE.
    pub queue: QueueStats,
}

impl Gateway {
    /// Checks that the database in that folder can be opened, written and migrated, without
    /// changing anything; returns the number of pending migrations. `None` if there is no database
    /// yet, and it can be created, with the folder.
    ///
    /// # Errors
    /// [`OpenError::DataDir`]; [`OpenError::Store`] if it cannot be written, is not ours, or is of
    /// a later version.
    pub async fn look_at(data_dir: &Path) -> Result<Option<usize>, OpenError> {
        private_files::check_folder_to_make(data_dir)?;
        if !data_dir.exists() {
            return Ok(None);
        }
        Ok(SqliteStore::look_at(&data_dir.join(DATABASE)).await?)
    }

    /// Reads the whole database in that folder, if there is one, and checks its structure, without
    /// changing anything.
    ///
    /// # Errors
    /// [`OpenError::Store`] if it is damaged, or cannot be read.
    pub async fn check_pages(data_dir: &Path) -> Result<(), OpenError> {
        let file = data_dir.join(DATABASE);
        if file.exists() { Ok(SqliteStore::check_pages(&file).await?) } else { Ok(()) }
    }

    /// Opens the gateway for a TEE: the one it has served before, if any.
    ///
    /// # Errors
    /// If the settings contradict each other, the database cannot be opened, or it is another TEE.
    pub async fn open(
        settings: Settings,
        transport: Arc<dyn TeeTransport>,
        clock: Arc<dyn Clock>,
        factory: Option<Arc<dyn AccountFactory>>,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        std::fs::create_dir_all(&settings.data_dir)?;
        let metrics = Arc::new(Metrics::register(registry, Arc::clone(&transport))?);
        let timeout = Duration::from_secs(settings.tee_timeout_seconds);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&settings.data_dir.join(DATABASE)).await?);
        if let Some(served) = store.served_tee().await? {
            transport.served().keep_to(served.name);
        }
        let inner = Inner {
            tee: Tee::new(transport, timeout, Arc::clone(&metrics)),
            ceremonies: Ceremonies::new(&settings, &store.registration_key().await?)?,
            known: Known::new(settings.required_protection, Arc::clone(&store) as _),
            store,
            account_count: AccountCount::default(),
            allowances: KnownAllowances::default(),
            admin_counter: AdminCounter::default(),
            rotations: Rotations::new(settings.rotation_interval_seconds),
            refused_content: RefusedContent::default(),
            quotes: Quotes::new(
                Duration::from_millis(settings.attestation_interval_ms),
                Duration::from_secs(settings.tee_hung_after_seconds),
            ),
            refusal_ration: RefusalRation::default(),
            unknown: UnknownAccounts::default(),
            strangers: Strangers::new(strangers::LOOKUPS),
            messages: Strangers::new(strangers::MESSAGES),
            message_ration: MessageRation::default(),
            sweep: Arc::new(Semaphore::new(1)),
            creations_log: OutageLog::new("settling interrupted account creations"),
            refusals_log: LineRation::new("refused requests"),
            clock,
            factory,
            api_keys: ApiKeys::new(&settings.api_keys)?,
            trusted_proxies: settings.proxies()?,
            settings,
            metrics,
        };
        // Its session was opened before the database: from now on each session is checked when it
        // is opened.
        inner.known.security_state(&inner.tee).await.map_err(OpenError::Tee)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The TEE's current report about itself.
    ///
    /// # Errors
    /// `tee_state_lost`, or if the TEE does not answer.
    pub async fn security_state(&self) -> Result<SecurityState, GatewayError> {
        self.inner.known.security_state(&self.inner.tee).await
    }

    /// The same, at most a second old, for any caller: however many ask, the TEE is queried once a
    /// second.
    ///
    /// # Errors
    /// `tee_state_lost`, or if the TEE does not answer, or did not a second ago.
    pub async fn recent_security_state(&self) -> Result<Arc<SecurityState>, GatewayError> {
        let state = self.inner.known.recent_security_state(&self.inner.tee).await?;
        self.watch_admin_counter().await;
        Ok(state)
    }

    /// Checks that the database accepts writes, and that the TEE answers and has the required
    /// protection, provisioned or not.
    ///
    /// # Errors
    /// `store_unavailable`, `tee_protection_insufficient`, `tee_state_lost`, or if the TEE does not
    /// answer.
    pub async fn ready(&self) -> Result<SecurityState, GatewayError> {
        self.database_ready().await?;
        let state = self.tee_ready().await?;
        self.watch_admin_counter().await;
        Ok(state)
    }

    /// Checks that the database accepts writes, within 700 ms.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn database_ready(&self) -> Result<(), GatewayError> {
        Ok(self.inner.store.probe().await?)
    }

    /// The same, at most a second old, for any caller: however many ask, the database is written
    /// once a second.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn recent_database_ready(&self) -> Result<(), GatewayError> {
        Ok(self.inner.store.recent_probe().await?)
    }

    /// Checks that the TEE answers and has the required protection, provisioned or not.
    ///
    /// # Errors
    /// `tee_protection_insufficient`, `tee_state_lost`, or if the TEE does not answer.
    pub async fn tee_ready(&self) -> Result<SecurityState, GatewayError> {
        let state = self.security_state().await?;
        self.inner.settings.required_protection.check(&state)?;
        Ok(state)
    }

    /// Admin, signers and ceilings, as last reported by the TEE.
    ///
    /// # Errors
    /// `not_provisioned`, or if the TEE does not answer.
    pub async fn provisioned(&self) -> Result<Arc<Provisioned>, GatewayError> {
        self.inner.known.provisioned(&self.inner.tee).await
    }

    /// The EntryPoint at this address on this chain; both default to those of the first deployment
    /// in the ceilings. `None` if there is no such deployment.
    ///
    /// # Errors
    /// `not_provisioned`, or if the TEE does not answer.
    pub async fn entry_point(
        &self,
        chain_id: Option<u64>,
        address: Option<Address>,
    ) -> Result<Option<EntryPoint>, GatewayError> {
        let is_meant = |entry_point: &EntryPoint| {
            chain_id.is_none_or(|chain_id| chain_id == entry_point.chain_id)
                && address.is_none_or(|address| address == entry_point.address)
        };
        let found = |provisioned: &Provisioned| {
            let deployments = provisioned.ceilings.deployments.iter();
            let mut entry_points = deployments.map(|deployment| deployment.entry_point);
            entry_points.find(is_meant).ok_or(GatewayError::Refused(Status::DeploymentNotAllowed))
        };
        match self.inner.known.check(&self.inner.tee, found).await {
            Ok(entry_point) => Ok(Some(entry_point)),
            Err(GatewayError::Refused(Status::DeploymentNotAllowed)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Identifies this TEE in answers: the address of the paymaster key that only it holds.
    ///
    /// # Errors
    /// `not_provisioned`, or if the TEE does not answer.
    pub async fn tee_device_id(&self) -> Result<Address, GatewayError> {
        Ok(self.provisioned().await?.paymaster_signer)
    }

    /// The kind of TEE.
    #[must_use]
    pub fn tee_mode(&self) -> &'static str {
        self.inner.tee.mode()
    }

    /// The state of the queue to the TEE.
    #[must_use]
    pub fn queue_stats(&self) -> QueueStats {
        self.inner.tee.queue_stats()
    }

    /// Whether it is worth waiting for the TEE's reply.
    ///
    /// # Errors
    /// The duration of the current call, if that is longer than `tee_hung_after_seconds`: then only
    /// ending this process ends it.
    pub fn alive(&self) -> Result<(), Duration> {
        let longest = Duration::from_secs(self.settings().tee_hung_after_seconds);
        match self.queue_stats().in_call_for {
            Some(took) if took >= longest => Err(took),
            _ => Ok(()),
        }
    }

    /// Counts for operators.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn stats(&self) -> Result<Stats, GatewayError> {
        Ok(Stats {
            accounts: self.inner.account_count.recent(&self.inner.store, self.inner.clock.now()).await?,
            audit: self.inner.store.audit_head().await?,
            queue: self.queue_stats(),
        })
    }

    /// The proxies trusted to name a request's client.
    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.inner.trusted_proxies
    }

    /// The time by the gateway's clock, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        self.inner.clock.now()
    }

    /// The gateway's settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Answers queued calls, then closes the TEE session and the database. What was sealed of the
    /// allowances in advance is given back.
    pub async fn close(&self) {
        self.seal_allowances().await;
        self.inner.tee.close().await;
        self.inner.store.close().await;
    }
}
