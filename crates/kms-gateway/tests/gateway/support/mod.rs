//! A test gateway, keys and passkeys for its requests, and one valid request that tests can change.

mod gated;
mod keys;
mod request;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use devkit::SoftPasskey;
use kms_gateway::admin_key::AdminKey;
use kms_gateway::bootstrap::{Wanted, bootstrap};
use kms_gateway::clock::Clock;
use kms_gateway::factory::AccountFactory;
use kms_gateway::protection::RequiredProtection;
use kms_gateway::store::{AuditError, AuditHead};
use kms_gateway::transport::{TeeKind, TeeTransport};
use kms_gateway::{Gateway, Settings};
use proto::bytes::BoundedList;
use proto::command::{Ceilings, Deployment};
use proto::{Address, EntryPoint, EntryPointVersion, Permissions, Wei};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use devkit::{Log, PATIENCE, until};
pub use gated::{ChangingTee, FailingTee, Gate, GatedTee, LyingTee, OPTIONS, platform, showing};
pub use keys::RelayKey;
pub use request::SponsorRequest;

pub const RP_ID: &str = "localhost";
pub const ORIGIN: &str = "http://localhost:5173";
pub const CHAIN_ID: u64 = 31337;
pub const PAYMASTER: Address = Address([0x77; 20]);
pub const NOW: u64 = 1_800_000_000;
pub const MAX_COST: Wei = Wei(10_u128.pow(18));

/// The result of a future at its first poll: it must not wait for anything.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match now_or_never(future) {
        Some(output) => output,
        None => panic!("it waits for something"),
    }
}

/// Starts the request, and does not wait for the answer.
pub fn hangs_up<T>(future: impl Future<Output = T>) {
    assert!(now_or_never(future).is_none(), "there was nothing to wait for");
}

/// The result at the first poll, if it is ready.
pub fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// From now on no audit row can be written.
pub async fn refuse_audit_rows(database: &SqlitePool) {
    let refuse = "CREATE TRIGGER no_row BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'no row'); END";
    sqlx::query(refuse).execute(database).await.unwrap();
}

pub async fn accept_audit_rows(database: &SqlitePool) {
    sqlx::query("DROP TRIGGER no_row").execute(database).await.unwrap();
}

/// A clock that a test sets.
#[derive(Default)]
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A running gateway with a provisioned TEE and one authorised relay key.
pub struct Kms {
    pub url: String,
    pub client: reqwest::Client,
    pub gateway: Gateway,
    pub clock: Arc<TestClock>,
    pub admin: AdminKey,
    pub relay: RelayKey,
    pub shutdown: CancellationToken,
    pub server: JoinHandle<std::io::Result<()>>,
    pub folder: Arc<TempDir>,
    pub registry: prometheus::Registry,
}

/// The number of calls of this command that a gateway with this registry had answered by its TEE.
pub fn calls_of(registry: &prometheus::Registry, command: &str) -> u64 {
    let families = registry.gather();
    let calls = families.iter().find(|family| family.name() == "kms_tee_call_seconds").unwrap();
    let of_command = calls.get_metric().iter().find(|metric| metric.get_label()[0].value() == command);
    of_command.map_or(0, |metric| metric.get_histogram().get_sample_count())
}

/// An answer: its status and its JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// Asserts a refusal: its status, its reason, and that it has exactly the fields of an error
    /// and no signature.
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), &self.body["error"]["code"]), (status, &json!(code)), "{}", self.body);
        let error = self.body["error"].clone();
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(!error["requestId"].as_str().unwrap().is_empty());
        assert!(error["retryable"].is_boolean());
        assert_eq!(self.body.as_object().unwrap().len(), 1);
        error
    }
}

/// Settings with which a busy machine makes the TEE neither slow nor stuck.
pub fn settings(folder: &Path) -> Settings {
    Settings { tee_timeout_seconds: 60, tee_stuck_after_ms: 20_000, ..Settings::new(folder.to_owned()) }
}

pub fn entry_point(version: EntryPointVersion) -> EntryPoint {
    EntryPoint { chain_id: CHAIN_ID, address: version.canonical_address(), version }
}

pub fn ceilings() -> Ceilings {
    let versions = [EntryPointVersion::V07, EntryPointVersion::V06, EntryPointVersion::V08, EntryPointVersion::V09];
    let deployments = versions.map(|version| Deployment { entry_point: entry_point(version), paymaster: PAYMASTER });
    Ceilings {
        deployments: BoundedList::new(deployments.to_vec()).unwrap(),
        max_cost: MAX_COST,
        max_window: 3600,
        max_accounts: 1000,
    }
}

/// The simulator with its state in this folder.
pub fn simulator(folder: &Path) -> Arc<dyn TeeTransport> {
    TeeKind::Simulator.row().open(folder, settings(folder).worker_options()).unwrap()
}

impl Kms {
    pub async fn verify_audit(&self) -> Result<AuditHead, AuditError> {
        Gateway::verify_audit(self.folder.path(), None).await
    }

    /// The same, with a head that was noted before.
    pub async fn verify_audit_since(&self, noted: AuditHead) -> Result<AuditHead, AuditError> {
        Gateway::verify_audit(self.folder.path(), Some(noted.hash)).await
    }

    /// A new gateway with a new simulator.
    pub async fn start() -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap()), RelayKey::random(), AdminKey::new(&keys::secret()).unwrap())
            .await
    }

    async fn start_in(folder: Arc<TempDir>, relay: RelayKey, admin: AdminKey) -> Self {
        let simulator = simulator(folder.path());
        Self::over(folder, simulator, relay, admin).await
    }

    /// A new gateway with this TEE.
    pub async fn over_tee(tee: Arc<dyn TeeTransport>) -> Self {
        let admin = AdminKey::new(&keys::secret()).unwrap();
        Self::over(Arc::new(TempDir::new().unwrap()), tee, RelayKey::random(), admin).await
    }

    /// The same with other settings.
    pub async fn over_tee_with(settings: impl FnOnce(&Path) -> Settings, tee: Arc<dyn TeeTransport>) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let settings = settings(folder.path());
        let admin = AdminKey::new(&keys::secret()).unwrap();
        Self::serving(folder, settings, tee, None, RelayKey::random(), admin).await
    }

    /// A new gateway with these settings and this factory.
    pub async fn with_factory(settings: impl FnOnce(&Path) -> Settings, factory: Arc<dyn AccountFactory>) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let (settings, simulator) = (settings(folder.path()), simulator(folder.path()));
        let admin = AdminKey::new(&keys::secret()).unwrap();
        Self::serving(folder, settings, simulator, Some(factory), RelayKey::random(), admin).await
    }

    /// A new gateway that requires this protection, with this TEE.
    pub async fn requiring(required_protection: RequiredProtection, tee: Arc<dyn TeeTransport>) -> Self {
        Self::over_tee_with(|folder| Settings { required_protection, ..settings(folder) }, tee).await
    }

    async fn over(folder: Arc<TempDir>, tee: Arc<dyn TeeTransport>, relay: RelayKey, admin: AdminKey) -> Self {
        let settings = settings(folder.path());
        Self::serving(folder, settings, tee, None, relay, admin).await
    }

    async fn serving(
        folder: Arc<TempDir>,
        settings: Settings,
        tee: Arc<dyn TeeTransport>,
        factory: Option<Arc<dyn AccountFactory>>,
        relay: RelayKey,
        admin: AdminKey,
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        clock.set(NOW);
        let registry = prometheus::Registry::new();
        let clock_port: Arc<dyn Clock> = Arc::<TestClock>::clone(&clock);
        let gateway = Gateway::open(settings, tee, clock_port, factory, &registry).await.unwrap();
        let wanted = Wanted {
            relying_parties: vec![gateway.settings().relying_party().unwrap()],
            ceilings: ceilings(),
            relay_signer: relay.address(),
            permissions: Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION | Permissions::ROTATE,
        };
        bootstrap(&gateway, &admin, wanted).await.unwrap();

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(kms_gateway::serve(listener, gateway.clone(), shutdown.clone()));
        let client = devkit::http::client();
        Self { url, client, gateway, clock, admin, relay, shutdown, server, folder, registry }
    }

    /// Stops everything and restarts with the same folder.
    pub async fn restart(self) -> Self {
        self.restart_after(async |_| ()).await
    }

    /// The same, with work on the folder while nothing has it open.
    pub async fn restart_after(self, work: impl AsyncFnOnce(&Path)) -> Self {
        let Self { shutdown, server, gateway, folder, relay, admin, client, .. } = self;
        drop(client);
        shutdown.cancel();
        server.await.unwrap().unwrap();
        gateway.close().await;
        drop(gateway);
        work(folder.path()).await;
        Self::start_in(folder, relay, admin).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer { status: response.status(), body: response.json().await.unwrap() }
    }

    /// Registers a new passkey and returns it with the registration's id.
    pub async fn register(&self) -> (SoftPasskey, Value) {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let registration_id = self.register_passkey(&mut passkey).await;
        (passkey, registration_id)
    }

    /// A verified registration of that passkey, which may already be registered.
    pub async fn register_passkey(&self, passkey: &mut SoftPasskey) -> Value {
        let begun = self.post("/webauthn/register/begin", &json!({ "userName": "alice" })).await.ok();
        self.finish_with(passkey, &begun).await
    }

    /// Verifies the registration of that passkey.
    pub async fn finish_with(&self, passkey: &mut SoftPasskey, begun: &Value) -> Value {
        let credential = passkey.register(&begun["publicKey"]).unwrap();
        let finish = json!({ "registrationId": begun["registrationId"], "credential": credential });
        let finished = self.post("/webauthn/register/finish", &finish).await.ok();
        assert_eq!(finished["verified"], true);
        finished["registrationId"].clone()
    }

    /// The number of calls of this command that the TEE has answered.
    pub fn calls_of(&self, command: &str) -> u64 {
        calls_of(&self.registry, command)
    }

    /// A new account and its passkey.
    pub async fn account(&self) -> (SoftPasskey, Value) {
        let (passkey, registration_id) = self.register().await;
        let create = json!({ "registrationId": registration_id });
        let account = self.post("/kms/create-deterministic-account", &create).await.ok();
        (passkey, account)
    }

    /// A valid request of an account, signed by its passkey and the relay.
    pub async fn honest_request(&self) -> SponsorRequest {
        let (passkey, account) = self.account().await;
        SponsorRequest::new(passkey, &account).signed(&self.relay)
    }

    pub async fn sponsor(&self, request: &SponsorRequest) -> Answer {
        self.send(request.over_http(self)).await
    }
}
