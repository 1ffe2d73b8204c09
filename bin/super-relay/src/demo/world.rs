//! The world of the demo: a chain with the real EntryPoint, our paymaster on it, and a node.

use devkit::{Address, Anvil, AnvilOptions, Deployment, EntryPoint, EntryPointVersion, Paymaster, Tools, U256};
use tempfile::TempDir;
use url::Url;

use super::client::{Json as _, Kms};
use super::story::Story;
use super::{DemoArgs, ORIGIN, RP_ID, failed};
use crate::config::Sources;
use crate::error::Error;
use crate::wire::Node;

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Bundlers want a day (ERC-7562).
const UNSTAKE_DELAY_SECONDS: u32 = 86_400;

/// Everything that runs; what is dropped is stopped.
pub struct World {
    anvil: Anvil,
    deployment: Deployment,
    paymaster: Paymaster,
    node: Node,
    kms_url: Url,
    paymaster_signer: Address,
    relay_signer: String,
    _data: TempDir,
}

impl World {
    /// Starts chain and node, and admits the TEE's signer to the paymaster.
    pub async fn start(args: &DemoArgs, story: &Story) -> Result<Self, Error> {
        let tools = Tools::locate(&args.project).map_err(failed)?;
        let anvil = Anvil::start(tools.anvil(), AnvilOptions::default()).await.map_err(failed)?;
        let deployment = devkit::deploy(&anvil, &tools, args.entrypoint).await.map_err(failed)?;
        let entry_point = &deployment.entry_point;
        story.say("chain", &format!("anvil at {}, EntryPoint at {}", anvil.url(), entry_point.address()));

        let paymaster = Paymaster::deploy(&anvil, &tools, entry_point).await.map_err(failed)?;
        paymaster.deposit(U256::from(ETHER)).await.map_err(failed)?;
        paymaster.stake(U256::from(ETHER), UNSTAKE_DELAY_SECONDS).await.map_err(failed)?;
        story.say("paymaster", &format!("{} with a deposit and a stake of 1 ether each", paymaster.address()));

        let data = tempfile::tempdir().map_err(failed)?;
        let file = data.path().join("demo.toml");
        std::fs::write(data.path().join("relay-key.passphrase"), uuid::Uuid::new_v4().to_string()).map_err(failed)?;
        std::fs::write(&file, configuration(&anvil, &deployment, &paymaster, &data)).map_err(failed)?;
        let config = Sources { file: Some(file), overrides: Vec::new() }.load()?;
        let node = Node::start(config).await?;
        let kms_url = node.kms_url().cloned().ok_or_else(|| failed("the node has no KMS"))?;
        story.say("node", &format!("JSON-RPC at {}, KMS at {kms_url}", node.rpc_url()));
        story.more("the TEE is the simulator: the real trusted core, but it protects nothing");

        let kms = Kms::at(kms_url.clone());
        let (signers, version) = (kms.get("/admin/signers").await?, kms.get("/version").await?);
        let paymaster_signer: Address = signers.parse("paymasterSigner")?;
        let measurement = version.object("tee")?.parse("measurement")?;
        paymaster.admit_signer(paymaster_signer, measurement).await.map_err(failed)?;
        story.say("paymaster", &format!("admits the TEE's signer {paymaster_signer}"));
        story.more(&format!("with the measurement of its code {measurement}"));

        let relay_signer = node.relay_signer().to_string();
        Ok(Self { anvil, deployment, paymaster, node, kms_url, paymaster_signer, relay_signer, _data: data })
    }

    pub fn version(&self) -> EntryPointVersion {
        self.deployment.entry_point.version()
    }

    pub fn entry_point(&self) -> &EntryPoint {
        &self.deployment.entry_point
    }

    pub fn factory(&self) -> Address {
        self.deployment.account_factory.address()
    }

    /// Whom the account calls: someone who has nothing to do with the rest.
    pub fn greeted(&self) -> Address {
        self.anvil.bundler()
    }

    pub fn rpc_url(&self) -> &Url {
        self.node.rpc_url()
    }

    pub fn kms_url(&self) -> &Url {
        &self.kms_url
    }

    pub fn paymaster_signer(&self) -> Address {
        self.paymaster_signer
    }

    pub fn relay_signer(&self) -> &str {
        &self.relay_signer
    }

    /// Wei of an address.
    pub async fn balance(&self, address: Address) -> Result<U256, Error> {
        self.anvil.balance(address).await.map_err(failed)
    }

    /// Wei the paymaster has at the EntryPoint.
    pub async fn deposit(&self) -> Result<U256, Error> {
        self.paymaster.deposited().await.map_err(failed)
    }

    pub async fn run_until_stopped(self) -> Result<(), Error> {
        self.node.run_until_stopped().await
    }

    pub async fn stop(self) -> Result<(), Error> {
        self.node.stop().await
    }
}

/// The node's configuration, as an operator would write it.
fn configuration(anvil: &Anvil, deployment: &Deployment, paymaster: &Paymaster, data: &TempDir) -> String {
    let entry_point = &deployment.entry_point;
    let scheme = if entry_point.version() >= EntryPointVersion::V08 { "raw" } else { "eip191" };
    let (data, chain, factory) = (data.path().display(), anvil.url(), deployment.account_factory.address());
    format!(
        r#"
        [listen]
        rpc = "127.0.0.1:0"
        ops = "127.0.0.1:0"
        kms = "127.0.0.1:0"

        [relay]
        database = "{data}/relay.sqlite"
        rp_id = "{RP_ID}"
        chain = {{ chain_id = 31337, rpc_url = "{chain}" }}
        relay_key = {{ file = "{data}/relay-key.json", passphrase_file = "{data}/relay-key.passphrase" }}
        default_account = {{ active = true }}

        [[relay.deployments]]
        entry_point = "{address}"
        version = "{version}"
        paymaster = "{paymaster}"

        [[relay.policies]]
        id = "demo"
        max_cost_per_operation = "20000000000000000"

        [kms]
        data_dir = "{data}/kms"
        rp_id = "{RP_ID}"
        origins = ["{ORIGIN}"]
        signature_scheme = "{scheme}"
        factory = {{ address = "{factory}", rpc_url = "{chain}" }}

        [bootstrap]
        admin_key_file = "{data}/admin.key"
        "#,
        address = entry_point.address(),
        version = entry_point.version(),
        paymaster = paymaster.address(),
    )
}
