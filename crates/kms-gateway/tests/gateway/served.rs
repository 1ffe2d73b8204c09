//! A TEE that lost its state is not mistaken for a new one, nor another TEE for the one that was
//! served.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kms_gateway::admin_key::AdminKey;
use kms_gateway::clock::SystemClock;
use kms_gateway::gateway::{ForgetError, OpenError};
use kms_gateway::store::{Audit as _, AuditHead, SqliteStore, Store as _};
use kms_gateway::transport::{SessionError, TeeName, TeeStateLost, Worker};
use kms_gateway::{Caller, Gateway, GatewayError};
use prometheus::Registry;
use proto::bytes::BoundedList;
use proto::command::{Phase, Protection, Provision};
use proto::{Address, Signature, Status, TeeId};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use ta::Core;
use ta::memory::{MemoryDevice, SeededEntropy};
use tempfile::TempDir;

use crate::support::{Answer, GatedTee, Kms, OPTIONS, ceilings, platform, settings, simulator, until};

/// A gateway with its data in one folder, and the simulator in another.
async fn open(data: &Path, tee: &Path) -> Result<Gateway, OpenError> {
    let simulator = simulator(tee);
    Gateway::open(settings(data), simulator, Arc::new(SystemClock), None, &Registry::new()).await
}

async fn lost(data: &Path, tee: &Path) -> TeeStateLost {
    match open(data, tee).await {
        Err(OpenError::Tee(GatewayError::TeeStateLost(lost))) => lost,
        other => panic!("{:?}", other.err()),
    }
}

async fn stopped(kms: Kms) -> (Arc<TempDir>, TeeId) {
    let id = kms.gateway.security_state().await.unwrap().tee_id;
    kms.gateway.close().await;
    (kms.folder, id)
}

#[tokio::test]
async fn a_gateway_starts_with_its_own_tee_and_not_with_an_empty_or_another_one() {
    let kms = Kms::start().await;
    let account_id = kms.honest_request().await.account_id;
    let (own, served) = stopped(kms).await;
    let (other, found) = stopped(Kms::start().await).await;
    let emptied = TempDir::new().unwrap();

    let problem = lost(own.path(), emptied.path()).await;
    let name = TeeName::Id(served);
    let TeeStateLost { found: emptied_id, .. } = problem;
    assert_eq!(problem, TeeStateLost { served: name, found: emptied_id, is_provisioned: false });
    for words in [served.to_string().as_str(), "not provisioned", "docs/operations.md"] {
        assert!(problem.to_string().contains(words), "{problem}");
    }
    let problem = lost(own.path(), other.path()).await;
    assert_eq!(problem, TeeStateLost { served: name, found, is_provisioned: true });
    assert!(problem.to_string().contains(&found.to_string()), "{problem}");

    let gateway = open(own.path(), own.path()).await.unwrap();
    gateway.wallet(&account_id, &Caller::internal("test")).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_has_served_no_tee_starts_with_any() {
    let (data, tees) = (TempDir::new().unwrap(), [TempDir::new().unwrap(), TempDir::new().unwrap()]);
    for tee in &tees {
        let gateway = open(data.path(), tee.path()).await.unwrap();
        assert_eq!(gateway.ready().await.unwrap().phase, Phase::Uninitialised);
        gateway.close().await;
    }
}

#[tokio::test]
async fn a_tee_becomes_the_served_one_when_it_is_provisioned() {
    let (own, emptied) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let gateway = open(own.path(), own.path()).await.unwrap();
    let admin = AdminKey::new(&vec![7; 32].into()).unwrap();
    let mut command = Provision {
        tee_id: gateway.security_state().await.unwrap().tee_id,
        admin: admin.address(),
        relying_parties: BoundedList::new(vec![gateway.settings().relying_party().unwrap()]).unwrap(),
        ceilings: ceilings(),
        counter: 1,
        signature: Signature::UNSIGNED,
    };
    command.signature = admin.sign(&command);
    gateway.administer(command, &Caller::internal("test")).await.unwrap();
    gateway.close().await;
    assert!(!lost(own.path(), emptied.path()).await.is_provisioned);
}

#[tokio::test]
async fn a_tee_is_forgotten_only_by_name_and_then_another_is_served() {
    let (own, served) = stopped(Kms::start().await).await;
    let emptied = TempDir::new().unwrap();
    let before = audit_head(own.path()).await;
    let served = TeeName::Id(served);
    for other in [TeeName::Id(TeeId([1; 32])), TeeName::PaymasterSigner(Address([1; 20]))] {
        let wrong = Gateway::forget_tee(own.path(), other).await;
        assert!(matches!(wrong, Err(ForgetError::Another { served: name }) if name == served), "{wrong:?}");
    }
    lost(own.path(), emptied.path()).await;

    assert_eq!(audit_head(own.path()).await, before);
    Gateway::forget_tee(own.path(), served).await.unwrap();
    assert_eq!(audit_head(own.path()).await.rows, before.rows + 1);
    let gateway = open(own.path(), emptied.path()).await.unwrap();
    assert_eq!(gateway.ready().await.unwrap().phase, Phase::Uninitialised);
    // The new TEE's admin counter begins at 0, which is no rollback.
    gateway.watch_admin_counter().await;
    let file = format!("sqlite:{}", own.path().join("gateway.sqlite").display());
    let database = sqlx::SqlitePool::connect(&file).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&database).await.unwrap();
    database.close().await;
    assert_eq!(rows, before.rows + 1);
    // Beside a running gateway nothing is forgotten.
    let beside = Gateway::forget_tee(own.path(), served).await.unwrap_err();
    assert!(beside.to_string().contains("another process uses the gateway's database"), "{beside}");
    gateway.close().await;
    assert!(matches!(Gateway::forget_tee(own.path(), served).await, Err(ForgetError::NoTee)));
    assert!(matches!(Gateway::forget_tee(emptied.path(), served).await, Err(ForgetError::NoDatabase)));
}

/// The database as it was before TEEs had ids.
async fn without_tee_id(data: &Path) {
    let options = SqliteConnectOptions::new().filename(data.join("gateway.sqlite"));
    let mut connection = options.connect().await.unwrap();
    for statement in
        ["ALTER TABLE served_tee DROP COLUMN tee_id", "DELETE FROM _sqlx_migrations WHERE description = 'tee id'"]
    {
        assert!(sqlx::query(statement).execute(&mut connection).await.is_ok());
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_from_before_tees_had_ids_learns_the_id_of_its_own_tee_and_of_no_other() {
    let (own, served) = stopped(Kms::start().await).await;
    let (other, _) = stopped(Kms::start().await).await;
    without_tee_id(own.path()).await;

    let problem = lost(own.path(), other.path()).await;
    assert!(matches!(problem.served, TeeName::PaymasterSigner(_)) && problem.is_provisioned, "{problem}");
    let gateway = open(own.path(), own.path()).await.unwrap();
    gateway.close().await;
    assert_eq!(lost(own.path(), other.path()).await.served, TeeName::Id(served));
}

/// A store of the previous release, sealed by its simulator: provisioned, with accounts.
#[tokio::test]
async fn the_simulator_opens_the_state_of_the_previous_release() {
    let (data, vector) =
        (TempDir::new().unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/store-layout-2"));
    for name in ["simulator.key", "simulator.state"] {
        let copy = data.path().join(name);
        std::fs::copy(vector.join(name), &copy).unwrap();
        std::fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    }
    let gateway = open(data.path(), data.path()).await.unwrap();
    let state = gateway.ready().await.unwrap();
    assert_eq!((state.phase, state.counter), (Phase::Ready, 6));
    assert_eq!(gateway.wallet(&"alice".parse().unwrap(), &Caller::internal("test")).await.unwrap().passkeys.len(), 1);
    gateway.close().await;
    let gateway = open(data.path(), data.path()).await.unwrap();
    assert_eq!(gateway.ready().await.unwrap().tee_id, state.tee_id);
}

/// The audit of a stopped gateway, with its chain verified from the first row on.
async fn audit_head(data: &Path) -> AuditHead {
    let store = SqliteStore::open(&data.join("gateway.sqlite")).await.unwrap();
    let head = store.verify_audit_chain().await.unwrap();
    store.close().await;
    head
}

/// A TEE that dies on command at the next call, and comes back without state while it is emptied.
#[derive(Clone, Default)]
struct Forgetful {
    dying: Arc<AtomicBool>,
    emptied: Arc<AtomicBool>,
}

impl Forgetful {
    fn start(&self) -> GatedTee {
        let (tee, kept) = (self.clone(), MemoryDevice::default());
        let worker = Worker::start(OPTIONS, move || {
            let device = if tee.emptied.load(Ordering::SeqCst) { MemoryDevice::default() } else { kept.clone() };
            let platform = platform(Protection::None, "0.1.0");
            let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform)?;
            let dying = Arc::clone(&tee.dying);
            Ok::<_, Status>(move |frame: &[u8]| match dying.swap(false, Ordering::SeqCst) {
                true => Err(SessionError::Dead("as it was told".into())),
                false => Ok(core.handle(frame)),
            })
        });
        GatedTee::from(worker.unwrap())
    }
}

/// The first answer other than "not available".
async fn once_told(ask: impl AsyncFn() -> Answer) -> Answer {
    until(async || ask().await.body["error"]["code"] != "tee_unavailable").await;
    ask().await
}

#[tokio::test]
async fn a_tee_that_lost_its_state_is_not_called_and_served_again_once_it_has_it() {
    let tee = Forgetful::default();
    let kms = Kms::over_tee(Arc::new(tee.start())).await;
    let request = kms.honest_request().await;
    let account = format!("/kms/accounts/{}", request.account_id);
    let before = kms.sponsor(&request).await.ok();
    let wallet = kms.get(&account).await.ok();
    let provision = json!({
        "teeId": kms.gateway.security_state().await.unwrap().tee_id.to_string(),
        "admin": "0x1111111111111111111111111111111111111111",
        "relyingParties": [{ "id": "localhost", "origins": ["http://localhost:5173"] }],
        "ceilings": { "deployments": [], "maxCost": "0x1", "maxWindow": 60, "maxAccounts": 1 },
        "counter": 1,
        "signature": format!("0x{}1b", "11".repeat(64)),
    });
    // It is well-formed: while the TEE is there, the TEE refuses it.
    kms.post("/admin/provision", &provision).await.refused(409, "already_provisioned");

    tee.emptied.store(true, Ordering::SeqCst);
    tee.dying.store(true, Ordering::SeqCst);
    let request = request.next(&kms.relay);
    kms.sponsor(&request).await.refused(503, "tee_unavailable");
    let error = once_told(async || kms.sponsor(&request).await).await.refused(503, "tee_state_lost");
    assert_eq!(error["retryable"], false);
    kms.post("/admin/provision", &provision).await.refused(503, "tee_state_lost");
    kms.get("/admin/signers").await.refused(503, "tee_state_lost");
    // It is not answered from the cache either.
    kms.get(&account).await.refused(503, "tee_state_lost");
    let health = kms.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("tee_state_lost")));
    let words = kms.gateway.ready().await.unwrap_err().to_string();
    assert!(words.contains("not provisioned") && words.contains("docs/operations.md"), "{words}");
    assert_eq!(kms.gateway.queue_stats().reopened, 0);

    tee.emptied.store(false, Ordering::SeqCst);
    until(async || kms.gateway.queue_stats().reopened > 0).await;
    assert_eq!(kms.sponsor(&request.next(&kms.relay)).await.ok(), before);
    assert_eq!(kms.get(&account).await.ok(), wallet);
}
