//! Everything that a sponsorship needs, real and on its own ports: chain, contracts, trusted core,
//! relay, dApp.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::{B256, U256};
use alloy_signer_local::PrivateKeySigner;
use devkit::{Anvil, AnvilOptions, EntryPointVersion as DevVersion, SoftPasskey, Tools};
use k256::ecdsa::SigningKey;
use paymaster_relay::bundler::Bundlers;
use paymaster_relay::catalogue::Catalogue;
use paymaster_relay::chain::RpcChain;
use paymaster_relay::chains::{Chain, Chains};
use paymaster_relay::claims::{ClaimStore, SqliteClaims};
use paymaster_relay::clients::{ApiKeys, SqliteApiKeys};
use paymaster_relay::metrics::Metrics;
use paymaster_relay::policy::ListedStandings;
use paymaster_relay::ports::{Clock, OsEntropy};
use paymaster_relay::register::{PolicyRegister, SqlitePolicies};
use paymaster_relay::relay_key::{RelayKey, passphrase};
use paymaster_relay::settings::Settings;
use paymaster_relay::store::{SqliteStore, Store};
use paymaster_relay::{Deliverer, Parts, Readiness, RelayError, RpcServer, Settler, Sponsor, Sweeper, Webhooks};
use prometheus::Registry;
use proto::command::{Deployment, RelayApproval, SignWithHybridKey, SignatureScheme};
use proto::digest::intent_hash;
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, hex_bytes, parse_user_operation};
use proto::{AccountId, EntryPoint, EntryPointVersion, Hash, IntentList, Permissions};
use rand_core::OsRng;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Refusal};
use super::clock::TestClock;
use super::dapp::Dapp;
use super::tee::{Tee, UNSIGNED, address, personal_sign};
use crate::store::samples::{NEVER, release_expired};

pub const RP_ID: &str = "example.org";
pub const ORIGIN: &str = "https://example.org";
pub const ACCOUNT: &str = "alice";
/// Number of blocks on top of a final one.
const CONFIRMATIONS: u64 = 1;
const ETHER: u128 = 10u128.pow(18);

/// A chain with one EntryPoint, our paymaster on it, a trusted core, and a serving relay.
pub struct World {
    pub anvil: Anvil,
    pub chain: devkit::Deployment,
    pub paymaster: devkit::Paymaster,
    pub tee: Arc<Tee>,
    pub clock: Arc<TestClock>,
    pub dir: TempDir,
    pub settings: Value,
    pub store: SqliteStore,
    pub relay: Relay,
    pub relay_key: Arc<RelayKey>,
    pub api_keys: Arc<ApiKeys>,
    pub registry: Registry,
    pub client: Client,
    running: Running,
}

/// The services of a relay, and their shared parts.
pub struct Relay {
    pub rpc: Arc<RpcServer>,
    /// The settler of the first chain.
    pub settler: Arc<Settler>,
    /// The settlers, one per chain.
    pub settlers: Vec<Arc<Settler>>,
    pub sweeper: Arc<Sweeper>,
    /// One for each webhook.
    pub deliverers: Vec<Deliverer>,
    pub readiness: Readiness,
    pub policies: Arc<PolicyRegister>,
    pub parts: Parts,
}

struct Running {
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

/// A chain with one EntryPoint and an empty paymaster.
pub async fn chain_of(version: DevVersion) -> (Anvil, devkit::Deployment, devkit::Paymaster) {
    chain_with(31337, version).await
}

async fn chain_with(chain_id: u64, version: DevVersion) -> (Anvil, devkit::Deployment, devkit::Paymaster) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools = Tools::locate(&root).unwrap();
    let anvil = Anvil::start(tools.anvil(), AnvilOptions { chain_id, ..AnvilOptions::default() }).await.unwrap();
    let chain = devkit::deploy(&anvil, &tools, version).await.unwrap();
    let paymaster = devkit::Paymaster::deploy(&anvil, &tools, &chain.entry_point).await.unwrap();
    (anvil, chain, paymaster)
}

/// Another chain besides that of a [`World`].
pub struct Other {
    pub anvil: Anvil,
    pub chain: devkit::Deployment,
    pub paymaster: devkit::Paymaster,
    id: u64,
}

impl Other {
    /// Its contracts have the same addresses as those of any other chain.
    pub async fn new(id: u64, version: DevVersion, deposit: u128) -> Self {
        let (anvil, chain, paymaster) = chain_with(id, version).await;
        paymaster.deposit(U256::from(deposit)).await.unwrap();
        Self { anvil, chain, paymaster, id }
    }

    pub fn deployment(&self, version: DevVersion) -> Deployment {
        deployment(self.id, version, &self.chain, &self.paymaster)
    }
}

async fn admit(paymaster: &devkit::Paymaster, tee: &Tee) {
    let address = alloy_primitives::Address::new(tee.paymaster_signer().0);
    let (measurement, tee_id) = (B256::repeat_byte(1), B256::repeat_byte(2));
    paymaster.admit_signer(&devkit::TeeSigner { address, measurement, tee_id }).await.unwrap();
}

/// Every permission except sponsoring without a passkey.
pub fn admin() -> Permissions {
    Permissions::SPONSOR | Permissions::ROTATE
}

impl World {
    pub async fn new(version: DevVersion) -> Self {
        Self::with(version, ETHER, |_| {}).await
    }

    /// A world with a deposit in wei, and changed settings.
    pub async fn with(version: DevVersion, deposit: u128, change: impl FnOnce(&mut Value)) -> Self {
        Self::beside(&[], version, deposit, change).await
    }

    /// The same with a TEE that also signs for the paymasters of these chains.
    pub async fn beside(
        others: &[&Other],
        version: DevVersion,
        deposit: u128,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let (anvil, chain, paymaster) = chain_of(version).await;
        paymaster.deposit(U256::from(deposit)).await.unwrap();
        let elsewhere = others.iter().map(|other| other.deployment(version));
        let here = deployment(31337, version, &chain, &paymaster);
        let tee = Arc::new(Tee::provisioned([here].into_iter().chain(elsewhere).collect()));
        for paymaster in others.iter().map(|other| &other.paymaster).chain([&paymaster]) {
            admit(paymaster, &tee).await;
        }

        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("passphrase"), "a passphrase\n").unwrap();
        let mut settings = settings(&anvil, &deployment_json(version, &chain, &paymaster), dir.path());
        change(&mut settings);
        let clock = Arc::new(TestClock::new());

        // A file of an earlier version: one with today's cost takes a second of CPU time.
        let scalar = PrivateKeySigner::random().to_bytes();
        PrivateKeySigner::encrypt_keystore(dir.path(), &mut OsRng, scalar, "a passphrase", Some("relay-key.json"))
            .unwrap();
        let relay_key = open_key(&settings, &tee).unwrap();
        tee.authorise(relay_key.address().await, admin());
        let (store, relay, registry, api_keys) = open(&settings, &tee, &clock, &relay_key).await;
        let (client, running) = serve_at_a_free_port(&relay.rpc).await;
        Self {
            anvil,
            chain,
            paymaster,
            tee,
            clock,
            dir,
            settings,
            store,
            relay,
            relay_key,
            api_keys,
            registry,
            client,
            running,
        }
    }

    /// Stops the relay and starts another one with the same files.
    pub async fn restarted(mut self) -> Self {
        self.stop().await;
        self.started_again().await
    }

    /// Starts another relay with the files of a stopped one.
    pub async fn started_again(self) -> Self {
        let Self { anvil, chain, paymaster, tee, clock, dir, settings, relay, relay_key, .. } = self;
        // Only one process at a time can use the key's file.
        drop((relay, relay_key));
        let relay_key = open_key(&settings, &tee).unwrap();
        let (store, relay, registry, api_keys) = open(&settings, &tee, &clock, &relay_key).await;
        let (client, running) = serve_at_a_free_port(&relay.rpc).await;
        Self {
            anvil,
            chain,
            paymaster,
            tee,
            clock,
            dir,
            settings,
            store,
            relay,
            relay_key,
            api_keys,
            registry,
            client,
            running,
        }
    }

    pub async fn stop(&mut self) {
        self.running.stop.cancel();
        (&mut self.running.server).await.unwrap().unwrap();
        self.store.database().close().await;
    }

    /// An account in the TEE with a passkey.
    pub async fn dapp(&self, account_id: &str) -> Dapp {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let version = self.chain.entry_point.version();
        let scheme = match version {
            DevVersion::V06 | DevVersion::V07 => SignatureScheme::Eip191,
            DevVersion::V08 | DevVersion::V09 => SignatureScheme::Raw,
        };
        let wallet = self.tee.create_account(account_id, scheme, &mut passkey);
        let owner = alloy_primitives::Address::new(wallet.owner.0);
        let factory = self.chain.account_factory.clone();
        let sender = factory.account_address(owner, U256::ZERO).await.unwrap();
        Dapp { account_id: account_id.to_owned(), passkey, sender, owner, version, factory }
    }

    /// Advances the time of host and chain, and mines a final block at the later time.
    pub async fn pass(&self, seconds: u64) {
        self.clock.advance(seconds);
        self.anvil.increase_time(seconds).await.unwrap();
        self.anvil.mine(1 + CONFIRMATIONS).await.unwrap();
    }

    pub fn sponsorships(&self) -> u64 {
        self.tee.sponsorships.load(Ordering::SeqCst)
    }

    pub fn passphrase_file(&self) -> PathBuf {
        self.dir.path().join("passphrase")
    }

    pub fn entry_point(&self) -> String {
        self.chain.entry_point.address().to_checksum(None)
    }

    /// The reserved part of the deposit, in wei.
    pub async fn reserved(&self) -> u128 {
        let family = self.reserved_rows().await;
        family.iter().map(|gwei| u128::try_from(*gwei).unwrap() * 1_000_000_000).sum()
    }

    /// The amounts of all live sponsorships, in gwei.
    pub async fn reserved_rows(&self) -> Vec<i64> {
        sqlx::query_scalar("SELECT max_cost_gwei FROM sponsorships WHERE state IN ('reserved', 'signed')")
            .fetch_all(&self.store.database().pool())
            .await
            .unwrap()
    }

    /// The admin permits the relay's key to sponsor without a passkey.
    pub async fn permit_without_passkey(&self) {
        let key = self.relay_key.address().await;
        self.tee.revoke(key);
        self.tee.authorise(key, admin() | Permissions::SPONSOR_WITHOUT_PASSKEY);
    }

    /// Releases everything, as if every window were over.
    pub async fn release_all(&self) {
        for (contracts, _) in self.store.next_blocks(31337).await.unwrap() {
            release_expired(&self.store, contracts, NEVER).await;
        }
    }

    /// The relay's own upkeep: settles, then releases expired reservations. Returns their number.
    pub async fn release_expired(&self) -> u64 {
        self.relay.settler.settle().await.unwrap();
        self.try_to_release().await.unwrap()
    }

    /// Releases what is over, without settling first.
    pub async fn try_to_release(&self) -> Result<u64, RelayError> {
        let Relay { settler, .. } = &self.relay;
        Ok(settler.release_unused().await? + settler.release_used().await?)
    }

    pub async fn intent(&self, dapp: &Dapp, op: &Value) -> Value {
        self.client.call("pm_getSponsorshipIntent", json!([op, dapp.account_id])).await.unwrap()
    }

    /// The approval of an operation, independent of the relay: a page can compute the challenge
    /// itself.
    pub async fn approval(&self, dapp: &mut Dapp, op: &Value) -> Value {
        let version = self.chain.entry_point.version();
        dapp.approve(op, &deployment(31337, version, &self.chain, &self.paymaster).entry_point)
    }

    /// One approval of all the operations, and their list.
    pub async fn approval_of_all(&self, dapp: &mut Dapp, ops: &[Value]) -> Value {
        let entry_point = deployment(31337, dapp.version, &self.chain, &self.paymaster).entry_point;
        let intents = ops.iter().map(|op| dapp.intent(op, &entry_point)).collect();
        let list = IntentList::new(intents).unwrap();
        let mut passkey = dapp.passkey.assert_challenge(&list.hash().0).unwrap();
        passkey["intents"] = json!(list);
        passkey
    }

    /// The account's signature over an operation with its current paymaster data, directly from the
    /// trusted core.
    pub async fn signed_as_it_is(&self, dapp: &mut Dapp, op: &Value) -> String {
        let key = SigningKey::from_slice(&[9; 32]).unwrap();
        self.tee.authorise(address(&key), Permissions::SIGN_USER_OPERATION);
        let entry_point = deployment(31337, dapp.version, &self.chain, &self.paymaster).entry_point;
        let op = parse_user_operation(op, entry_point.version, entry_point.chain_id, GasFields::Required).unwrap().op;
        let account_id: AccountId = dapp.account_id.parse().unwrap();
        let challenge = intent_hash(&op.hash(&entry_point), &account_id);
        let passkey = parse_assertion(&dapp.passkey.assert_challenge(&challenge.0).unwrap()).unwrap();
        let approval = RelayApproval { nonce: 1, timestamp: self.clock.now(), signature: UNSIGNED };
        let mut command = SignWithHybridKey { entry_point, account_id, op, passkey, approval };
        command.approval.signature = personal_sign(&key, &Hash(command.request_digest().0));
        let signature = self.tee.call(&command).unwrap().signature;
        self.tee.revoke(address(&key));
        hex_bytes(&signature.to_bytes())
    }

    /// The problem of a part in the relay's status.
    pub async fn problem(&self, name: &str) -> Option<String> {
        let checks = self.relay.readiness.status().await;
        checks.into_iter().find(|check| check.name == name).expect("there is no such check").problem
    }

    /// Approves and requests sponsorship.
    pub async fn sponsor(&self, dapp: &mut Dapp, op: &Value) -> Result<Value, Refusal> {
        let passkey = self.approval(dapp, op).await;
        self.client.call("pm_sponsor_with_tee", json!([op, dapp.account_id, passkey])).await
    }
}

fn version_of(version: DevVersion) -> EntryPointVersion {
    match version {
        DevVersion::V06 => EntryPointVersion::V06,
        DevVersion::V07 => EntryPointVersion::V07,
        DevVersion::V08 => EntryPointVersion::V08,
        DevVersion::V09 => EntryPointVersion::V09,
    }
}

fn deployment(
    chain_id: u64,
    version: DevVersion,
    chain: &devkit::Deployment,
    paymaster: &devkit::Paymaster,
) -> Deployment {
    Deployment {
        entry_point: EntryPoint { chain_id, address: chain.entry_point.address().into(), version: version_of(version) },
        paymaster: paymaster.address().into(),
    }
}

pub fn deployment_json(version: DevVersion, chain: &devkit::Deployment, paymaster: &devkit::Paymaster) -> Value {
    json!({
        "entry_point": chain.entry_point.address(),
        "version": version_of(version).as_str(),
        "paymaster": paymaster.address(),
    })
}

fn settings(anvil: &Anvil, deployment: &Value, dir: &Path) -> Value {
    json!({
        "chain": { "chain_id": 31337, "rpc_url": anvil.url(), "confirmations": CONFIRMATIONS, "timeout_seconds": 30 },
        "deployments": [deployment],
        "database": dir.join("relay.db"),
        "policies": [{ "id": "default", "max_cost_per_operation": (ETHER / 10).to_string() }],
        "default_account": { "balance": 0 },
        "relay_key": { "file": dir.join("relay-key.json"), "passphrase_file": dir.join("passphrase") },
        // One account may use the whole deposit here: `budget` tests the limits.
        "reservations": { "max_per_account": 1000, "max_percent_per_account": 100 },
        "rp_id": RP_ID,
        "require_allowances": false,
    })
}

pub fn open_key(settings: &Value, tee: &Arc<Tee>) -> Result<Arc<RelayKey>, paymaster_relay::relay_key::RelayKeyError> {
    let settings: Settings = serde_json::from_value(settings.clone()).unwrap();
    let passphrase = passphrase(&settings.relay_key)?;
    RelayKey::open(&settings.relay_key, passphrase, Arc::clone(tee) as _).map(Arc::new)
}

async fn open(
    settings: &Value,
    tee: &Arc<Tee>,
    clock: &Arc<TestClock>,
    relay_key: &Arc<RelayKey>,
) -> (SqliteStore, Relay, Registry, Arc<ApiKeys>) {
    let settings: Settings = serde_json::from_value(settings.clone()).unwrap();
    let store = SqliteStore::open(&settings.database).await.unwrap();
    let clock = Arc::clone(clock);
    let claims: Arc<dyn ClaimStore> = Arc::new(SqliteClaims::new(store.database(), Arc::clone(&clock) as _));
    let registry = Registry::new();
    let keys = Arc::new(SqliteApiKeys::new(store.database()));
    let catalogue = Arc::new(Catalogue::new(&settings).unwrap());
    let (live, rows) = (catalogue.live_policies(), Arc::new(SqlitePolicies::new(store.database())));
    let policies = PolicyRegister::open(&settings, live, rows, Arc::clone(&clock) as _).await.unwrap();
    let api_keys =
        ApiKeys::open(&settings, Arc::clone(live) as _, keys, Arc::clone(&clock) as _, Arc::new(OsEntropy)).await;
    let api_keys = Arc::new(api_keys.unwrap());
    let metrics = Arc::new(Metrics::new(&registry).unwrap());
    let chains = settings.all_chains().iter().zip(catalogue.chains()).map(|(chain, catalogue)| {
        let node = Arc::new(RpcChain::new(chain).unwrap());
        let bundlers = Bundlers::of_chain(&settings, chain, catalogue, &metrics).unwrap();
        Chain::new(Arc::clone(catalogue), node, Arc::clone(&clock) as _).with_bundlers(bundlers)
    });
    let webhooks = Webhooks::open(&settings, &(Arc::clone(&clock) as _), &metrics).unwrap();
    let parts = Parts {
        catalogue: Arc::clone(&catalogue),
        chains: Arc::new(Chains::new(chains)),
        standings: Arc::new(ListedStandings::new(&settings.accounts, settings.default_account).unwrap()),
        store: Arc::new(store.clone()),
        claims,
        kms: Arc::clone(tee) as _,
        relay_key: Arc::clone(relay_key),
        clock,
        entropy: Arc::new(OsEntropy),
        metrics: Arc::clone(&metrics),
        api_keys: Arc::clone(&api_keys),
        webhooks: Arc::new(webhooks),
    };
    let sponsor = Arc::new(Sponsor::new(&settings, &parts));
    let settlers: Vec<_> = parts.chains.iter().map(|chain| Arc::new(Settler::new(chain, &parts))).collect();
    let relay = Relay {
        rpc: Arc::new(RpcServer::new(&settings.rpc, sponsor, &parts).unwrap()),
        sweeper: Arc::new(Sweeper::new(settlers.clone(), &parts)),
        deliverers: Deliverer::of_all(&parts.webhooks, &parts.store),
        readiness: Readiness::new(settlers.clone(), &parts),
        settler: Arc::clone(&settlers[0]),
        settlers,
        policies: Arc::new(policies),
        parts,
    };
    (store, relay, registry, api_keys)
}

async fn serve_at_a_free_port(rpc: &Arc<RpcServer>) -> (Client, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let stop = CancellationToken::new();
    let server = tokio::spawn(Arc::clone(rpc).serve(listener, stop.clone()));
    (client, Running { stop, server })
}
