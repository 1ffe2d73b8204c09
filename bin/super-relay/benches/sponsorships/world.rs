//! The environment of a run: a chain with EntryPoint and paymaster, and a node that serves them.

use std::path::Path;

use devkit::{Anvil, AnvilOptions, Deployment, EntryPoint, Node, Paymaster, TeeSigner, Tools, U256, unconfigured};
use serde_json::Value;
use tempfile::TempDir;

use crate::Outcome;
use crate::cores::Cores;
use crate::operation::{CHAIN_ID, ORIGIN, RP_ID, VERSION};

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Enough for three hundred thousand operations at their worst case.
const DEPOSIT: u128 = 1000 * ETHER;
/// Bundlers require a day (ERC-7562).
const UNSTAKE_DELAY_SECONDS: u32 = 86_400;

/// Everything that runs; dropping it stops it.
pub struct World {
    pub node: Node,
    pub anvil: Anvil,
    pub deployment: Deployment,
    pub tools: Tools,
    _data: TempDir,
}

impl World {
    /// Starts the chain on the load's core and the node on its own.
    pub async fn start(cores: &Cores) -> Outcome<Self> {
        let tools = Tools::locate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
        let anvil = Anvil::start(tools.anvil(), AnvilOptions { chain_id: CHAIN_ID, ..AnvilOptions::default() }).await?;
        let deployment = devkit::deploy(&anvil, &tools, VERSION).await?;
        let paymaster = Paymaster::deploy(&anvil, &tools, &deployment.entry_point).await?;
        paymaster.deposit(U256::from(DEPOSIT)).await?;
        paymaster.stake(U256::from(ETHER), UNSTAKE_DELAY_SECONDS).await?;

        // Not under /tmp, which may be in memory: a sync must reach a disk.
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let file = data.path().join("node.toml");
        std::fs::write(data.path().join("relay-key.passphrase"), uuid::Uuid::new_v4().to_string())?;
        std::fs::write(&file, configuration(&anvil, &deployment, &paymaster, data.path()))?;
        let mut alone = unconfigured("taskset");
        alone.args(["--cpu-list", &cores.node.to_string(), env!("CARGO_BIN_EXE_super-relay")]);
        let node = Node::start(alone, &file, data.path().join("node.log")).await?;

        let world = Self { node, anvil, deployment, tools, _data: data };
        let (signers, version) = (world.get("/admin/signers").await?, world.get("/version").await?);
        let signer = TeeSigner {
            address: text(&signers, "paymasterSigner")?.parse()?,
            measurement: text(&version["tee"], "measurement")?.parse()?,
            tee_id: text(&version["tee"], "id")?.parse()?,
        };
        paymaster.admit_signer(&signer).await?;
        Ok(world)
    }

    pub fn entry_point(&self) -> &EntryPoint {
        &self.deployment.entry_point
    }

    /// The base URL of a server: `rpc`, `ops` or `kms`.
    pub fn url(&self, server: &str) -> Outcome<String> {
        self.node.url(server).ok_or_else(|| format!("the node does not serve {server}").into())
    }

    /// Sends a GET request to the KMS.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        Ok(devkit::http::get(format!("{}{path}", self.url("kms")?)).await?.error_for_status()?.json().await?)
    }

    /// Sends a POST request to the KMS.
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        let sent = devkit::http::client().post(format!("{}{path}", self.url("kms")?)).json(body).send().await?;
        let (status, answer) = (sent.status(), sent.json::<Value>().await?);
        if status.is_success() { Ok(answer) } else { Err(format!("{path}: {status} {answer}").into()) }
    }

    /// An error with the node's log before it.
    pub fn explain(&self, error: impl std::fmt::Display) -> String {
        format!("{error}\nthe node's log ends with\n{}", self.node.last_lines())
    }
}

/// A text field that an answer must have.
pub fn text<'a>(answer: &'a Value, field: &str) -> Outcome<&'a str> {
    answer[field].as_str().ok_or_else(|| format!("no {field} in {answer}").into())
}

/// The configuration as an operator would write it, with defaults for everything else.
fn configuration(anvil: &Anvil, deployment: &Deployment, paymaster: &Paymaster, data: &Path) -> String {
    let (chain, entry_point) = (anvil.url(), deployment.entry_point.address());
    let (data, paymaster, factory) = (data.display(), paymaster.address(), deployment.account_factory.address());
    format!(
        r#"
        listen = {{ rpc = "127.0.0.1:0", ops = "127.0.0.1:0", kms = "127.0.0.1:0" }}
        connections = {{ per_address = 1024 }}
        bootstrap = {{ admin_key_file = "{data}/admin.key" }}

        [relay]
        database = "{data}/relay.sqlite"
        rp_id = "{RP_ID}"
        chain = {{ chain_id = {CHAIN_ID}, rpc_url = "{chain}" }}
        relay_key = {{ file = "{data}/relay-key.json", passphrase_file = "{data}/relay-key.passphrase" }}
        default_account = {{ active = true }}
        deployments = [{{ entry_point = "{entry_point}", version = "{VERSION}", paymaster = "{paymaster}" }}]
        # One account reserves everything here.
        reservations = {{ max_per_account = 1000000, max_percent_per_account = 100 }}
        # What is measured is how much the node takes.
        rpc = {{ anonymous_calls_per_minute = 0 }}
        policies = [{{ id = "bench", max_cost_per_operation = "20000000000000000" }}]

        [kms]
        data_dir = "{data}/kms"
        rp_id = "{RP_ID}"
        origins = ["{ORIGIN}"]
        signature_scheme = "eip191"
        factory = {{ address = "{factory}", rpc_url = "{chain}" }}
        "#
    )
}
