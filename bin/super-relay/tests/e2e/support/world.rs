//! A chain with one EntryPoint, our paymaster on it, and a node that serves both.

use std::iter;
use std::path::{Path, PathBuf};

use alloy_signer_local::PrivateKeySigner;
use devkit::{
    Anvil, AnvilOptions, Deployment, EntryPoint, EntryPointVersion, Paymaster, TeeSigner, Tools, U256, eventually,
};
use rand_core::OsRng;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::apart::KmsApart;
use super::configuration::{self, PASSPHRASE, TIMEOUT};
use super::{Bystander, ETHER, Kms, Process, Rpc, now};

const UNSTAKE_DELAY_SECONDS: u32 = 86_400;

pub struct World {
    pub anvil: Anvil,
    pub deployment: Deployment,
    pub paymaster: Paymaster,
    pub node: Process,
    /// The node's configuration.
    pub configuration: Value,
    /// The KMS, if it is not in the node's process.
    pub(super) apart: Option<KmsApart>,
    pub(super) data: TempDir,
}

type Change = Box<dyn FnOnce(&mut Value)>;

/// The options of one test's world.
pub struct Setup {
    version: EntryPointVersion,
    deposit: u128,
    chain_started_at: Option<u64>,
    changes: Vec<Change>,
}

/// A chain with EntryPoint and paymaster, and a configuration for a node that is not started yet.
pub struct Ground {
    pub anvil: Anvil,
    pub deployment: Deployment,
    pub paymaster: Paymaster,
    /// Those of other EntryPoints.
    others: Vec<Paymaster>,
    pub configuration: Value,
    pub data: TempDir,
}

impl Setup {
    pub fn of(version: EntryPointVersion) -> Self {
        Self { version, deposit: ETHER, chain_started_at: None, changes: Vec::new() }
    }

    /// The paymaster's deposit at the EntryPoint in wei.
    pub fn deposit(self, deposit: u128) -> Self {
        Self { deposit, ..self }
    }

    /// The chain's blocks are that many seconds old.
    pub fn chain_started_ago(self, seconds: u64) -> Self {
        Self { chain_started_at: Some(now() - seconds), ..self }
    }

    pub fn configure(mut self, change: impl FnOnce(&mut Value) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Sponsors without a passkey: the policy allows it, and the trusted application permits it for
    /// the relay's key.
    pub fn without_passkey(self) -> Self {
        self.configure(|configuration| {
            configuration["relay"]["policies"][0]["allow_without_passkey"] = true.into();
        })
    }

    pub async fn prepare(self) -> Ground {
        let tools = tools();
        let options = AnvilOptions { started_at: self.chain_started_at, ..AnvilOptions::default() };
        let anvil = Anvil::start(tools.anvil(), options).await.unwrap();
        let deployment = devkit::deploy(&anvil, &tools, self.version).await.unwrap();
        let paymaster = Paymaster::deploy(&anvil, &tools, &deployment.entry_point).await.unwrap();
        paymaster.deposit(U256::from(self.deposit)).await.unwrap();
        paymaster.stake(U256::from(ETHER), UNSTAKE_DELAY_SECONDS).await.unwrap();

        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("relay-key.passphrase"), PASSPHRASE).unwrap();
        // A file of an earlier version: one at today's cost takes a second of CPU time.
        let key = PrivateKeySigner::random().to_bytes();
        PrivateKeySigner::encrypt_keystore(data.path(), &mut OsRng, key, PASSPHRASE, Some("relay-key.json")).unwrap();
        let mut configuration = configuration::node(&anvil, &deployment, &paymaster, data.path());
        self.changes.into_iter().for_each(|change| change(&mut configuration));
        Ground { anvil, deployment, paymaster, others: Vec::new(), configuration, data }
    }

    pub async fn start(self) -> World {
        self.prepare().await.start().await
    }

    /// The same with a relay that passes calls on to a bundler.
    pub async fn start_with_bundler(self) -> (World, Bystander) {
        let mut ground = self.prepare().await;
        let bundler = Bystander::start("bundler/start.mjs", &[ground.anvil.url().as_str()]).await;
        ground.configuration["relay"]["bundler"] = json!({ "urls": [bundler.url()], "timeout_seconds": TIMEOUT });
        (ground.start().await, bundler)
    }
}

impl Ground {
    /// Starts a node on it.
    pub async fn start(self) -> World {
        let node = start_node(self.data.path(), &self.configuration).await;
        let kms = Kms::at(node.url("kms"));
        for paymaster in iter::once(&self.paymaster).chain(&self.others) {
            admit_tee(paymaster, &kms).await;
        }
        World::on(self, node, None)
    }

    /// Another chain, which the node will serve too, with the contracts of the first.
    pub async fn another_chain(&mut self, chain_id: u64) -> OtherChain {
        let tools = tools();
        let options = AnvilOptions { chain_id, ..AnvilOptions::default() };
        let anvil = Anvil::start(tools.anvil(), options).await.unwrap();
        let version = self.deployment.entry_point.version();
        let deployment = devkit::deploy(&anvil, &tools, version).await.unwrap();
        let paymaster = Paymaster::deploy(&anvil, &tools, &deployment.entry_point).await.unwrap();
        assert_eq!(paymaster.address(), self.paymaster.address());
        paymaster.deposit(U256::from(ETHER)).await.unwrap();
        let rpc_url = anvil.url().as_str();
        configuration::list_chain(&mut self.configuration, chain_id, rpc_url, &deployment, &paymaster);
        self.others.push(paymaster);
        OtherChain { anvil, entry_point: deployment.entry_point }
    }

    /// Another EntryPoint with a paymaster of ours, which the node will serve too.
    pub async fn deploy_besides(&mut self, version: EntryPointVersion) -> EntryPoint {
        let deployment = devkit::deploy(&self.anvil, &tools(), version).await.unwrap();
        let paymaster = Paymaster::deploy(&self.anvil, &tools(), &deployment.entry_point).await.unwrap();
        paymaster.deposit(U256::from(ETHER)).await.unwrap();
        let deployments = self.configuration["relay"]["deployments"].as_array_mut().unwrap();
        deployments.push(configuration::deployment(&deployment, &paymaster));
        self.others.push(paymaster);
        deployment.entry_point
    }
}

/// A chain next to that of a [`World`], whose contracts have the same addresses.
pub struct OtherChain {
    pub anvil: Anvil,
    pub entry_point: EntryPoint,
}

impl World {
    pub async fn start(version: EntryPointVersion) -> Self {
        Setup::of(version).start().await
    }

    pub(super) fn on(ground: Ground, node: Process, apart: Option<KmsApart>) -> Self {
        let Ground { anvil, deployment, paymaster, configuration, data, .. } = ground;
        Self { anvil, deployment, paymaster, node, configuration, apart, data }
    }

    pub fn version(&self) -> EntryPointVersion {
        self.deployment.entry_point.version()
    }

    pub fn entry_point(&self) -> &EntryPoint {
        &self.deployment.entry_point
    }

    pub fn rpc(&self) -> Rpc {
        Rpc::at(self.node.url("rpc"))
    }

    pub fn kms(&self) -> Kms {
        let process = self.apart.as_ref().map_or(&self.node, |kms| &kms.process);
        Kms::at(process.url("kms"))
    }

    /// Status and body of a path on the operator's port.
    pub async fn ops(&self, path: &str) -> (u16, String) {
        let response = devkit::http::get(format!("{}{path}", self.node.url("ops"))).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The problem of a part as reported by `/status`, if any.
    pub async fn problem(&self, name: &str) -> Option<String> {
        problem(&self.node, name).await
    }

    /// Restarts the node with the same files, however it has ended.
    pub async fn restart(&mut self) {
        self.node = start_node(self.data.path(), &self.configuration).await;
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    /// The relay's secret key as currently stored on disk.
    pub fn relay_key(&self) -> Vec<u8> {
        let key = PrivateKeySigner::decrypt_keystore(self.file("relay-key.json"), PASSPHRASE).unwrap();
        key.to_bytes().to_vec()
    }

    pub async fn balance(&self, address: devkit::Address) -> U256 {
        self.anvil.balance(address).await.unwrap()
    }

    /// Another paymaster of ours on the same EntryPoint, with a deposit and the same TEE admitted.
    pub async fn second_paymaster(&self) -> Paymaster {
        let paymaster = Paymaster::deploy(&self.anvil, &tools(), self.entry_point()).await.unwrap();
        paymaster.deposit(U256::from(ETHER)).await.unwrap();
        admit_tee(&paymaster, &self.kms()).await;
        paymaster
    }
}

pub(super) async fn start_node(data: &Path, configuration: &Value) -> Process {
    let file = data.join("node.toml");
    configuration::write(configuration, &file);
    Process::start("node", &file).await
}

/// The paymaster's owner admits the key of the TEE, with the measurement of its code.
pub(super) async fn admit_tee(paymaster: &Paymaster, kms: &Kms) {
    let signers = kms.get("/admin/signers").await.unwrap();
    admit_key_of_tee(paymaster, kms, signers["paymasterSigner"].as_str().unwrap()).await;
}

/// Makes the contract admit a paymaster key, as one of the TEE that the KMS serves.
pub async fn admit_key_of_tee(paymaster: &Paymaster, kms: &Kms, signer: &str) {
    let version = kms.get("/version").await.unwrap();
    let signer = TeeSigner {
        address: signer.parse().unwrap(),
        measurement: version["tee"]["measurement"].as_str().unwrap().parse().unwrap(),
        tee_id: version["tee"]["id"].as_str().unwrap().parse().unwrap(),
    };
    paymaster.admit_signer(&signer).await.unwrap();
}

/// Waits until the process is ready: a probe also fails whenever the machine stalls for a second.
pub async fn ready(process: &Process) {
    let url = format!("{}/readyz", process.url("ops"));
    eventually(async || devkit::http::get(&url).await.unwrap().status().is_success().then_some(())).await;
}

/// The problem of a part as reported by `/status` of a process, if any.
pub async fn problem(process: &Process, name: &str) -> Option<String> {
    let answer = devkit::http::get(format!("{}/status?format=json", process.url("ops"))).await.unwrap();
    let (code, status): (u16, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
    assert_eq!(code == 200, status["ok"] == true, "{status}");
    let check = status["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no check {name}: {status}"));
    assert_eq!(check["ok"] == true, check["problem"].is_null(), "{check}");
    check["problem"].as_str().map(str::to_owned)
}

fn tools() -> Tools {
    Tools::locate(&project()).unwrap()
}

/// The checkout.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
