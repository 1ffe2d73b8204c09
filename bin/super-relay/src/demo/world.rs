//! The world of the demo: a chain with the real EntryPoint, our paymaster on it, and a node.

use std::path::PathBuf;

use devkit::{
    Address, Anvil, AnvilOptions, Deployment, EntryPoint, EntryPointVersion, Paymaster, TeeSigner, Tools, U256,
};
use kms_gateway::bootstrap::AdminKey;
use kms_gateway::http::TeeSetup;
use proto::Permissions;
use secrecy::SecretSlice;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use super::story::Story;
use super::{DemoArgs, RP_ID, base, failed};
use crate::admin::{Admin, Signer, unattested};
use crate::client::{Json as _, Kms};
use crate::config::{Config, Sources};
use crate::error::Error;
use crate::wire::Node;

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Bundlers want a day (ERC-7562).
const UNSTAKE_DELAY_SECONDS: u32 = 86_400;
/// The configuration, in the folder of the demo.
const FILE: &str = "demo.toml";
/// Anvil's own.
pub const CHAIN_ID: u64 = 31_337;

/// What an account with its own signer takes. The first key belongs to the policy that stands last in the file; bootstrap
/// gives the relay's key the TEE's permission with it.
const WITHOUT_PASSKEY: &str = "
        allow_without_passkey = true

        [relay.reservations]
        max_percent_unproven = 50
        ";

/// Everything that runs; what is dropped is stopped.
pub struct World {
    anvil: Anvil,
    deployment: Deployment,
    paymaster: Paymaster,
    node: Node,
    kms_url: Url,
    paymaster_signer: Address,
    relay_signer: String,
    origin: Url,
    data: TempDir,
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

        let (data, config) = configure(&anvil, &deployment, &paymaster, args)?;
        let (node, kms_url) = match &args.kms {
            None => start_with_kms(config, story).await?,
            Some(url) => (start_beside(url, config, args, &deployment, &paymaster, story).await?, url.clone()),
        };
        let kms = Kms::at(kms_url.clone());
        let (signers, version) = (kms.get("/admin/signers").await?, kms.get("/version").await?);
        let paymaster_signer: Address = signers.parse("paymasterSigner")?;
        let tee = version.object("tee")?;
        let (measurement, tee_id) = (tee.parse("measurement")?, tee.parse("id")?);
        let signer = TeeSigner { address: paymaster_signer, measurement, tee_id };
        paymaster.admit_signer(&signer).await.map_err(failed)?;
        story.say("paymaster", &format!("admits the TEE's signer {paymaster_signer}"));
        story.more(&format!("with the measurement of its code {measurement} and the TEE's id {tee_id}"));

        let relay_signer = node.relay_signer().to_string();
        let origin = args.origin.clone();
        Ok(Self { anvil, deployment, paymaster, node, kms_url, paymaster_signer, relay_signer, origin, data })
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

    /// Where the account of that owner and salt stands, or will.
    pub async fn account_address(&self, owner: Address, salt: U256) -> Result<Address, Error> {
        self.deployment.account_factory.account_address(owner, salt).await.map_err(failed)
    }

    /// What the accounts of this version sign: SimpleAccount signs the hash itself from 0.8 on, a personal message before.
    pub fn signature_scheme(&self) -> &'static str {
        if self.version() >= EntryPointVersion::V08 { "raw" } else { "eip191" }
    }

    /// Whom the account calls: someone who has nothing to do with the rest.
    pub fn greeted(&self) -> Address {
        self.anvil.bundler()
    }

    pub fn rpc_url(&self) -> &Url {
        self.node.rpc_url()
    }

    pub fn ops_url(&self) -> &Url {
        self.node.ops_url()
    }

    pub fn chain_url(&self) -> String {
        self.anvil.url().to_string()
    }

    /// The node's configuration, with databases and keys beside it.
    pub fn file(&self) -> PathBuf {
        self.data.path().join(FILE)
    }

    /// Where passkeys are used.
    pub fn origin(&self) -> &str {
        base(&self.origin)
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

/// A node that has the KMS in it.
async fn start_with_kms(config: Config, story: &Story) -> Result<(Node, Url), Error> {
    let node = Node::start(config).await?;
    let kms_url = node.kms_url().cloned().ok_or_else(|| failed("the node has no KMS"))?;
    story.say("node", &format!("JSON-RPC at {}, KMS at {}", base(node.rpc_url()), base(&kms_url)));
    story.more("the TEE is the simulator: the real trusted core, but it protects nothing");
    Ok((node, kms_url))
}

/// A node whose KMS is elsewhere, with a new TEE.
async fn start_beside(
    kms_url: &Url,
    config: Config,
    args: &DemoArgs,
    deployment: &Deployment,
    paymaster: &Paymaster,
    story: &Story,
) -> Result<Node, Error> {
    let kms = Kms::at(kms_url.clone());
    let (health, version) = (kms.get("/health").await?, kms.get("/version").await?);
    let tee = version.object("tee")?;
    story.say("KMS", &format!("at {}, its TEE is {}", base(kms_url), health.text("teeMode")?));
    story.more(&format!("trusted application {}, measurement {}", tee.text("version")?, tee.text("measurement")?));
    story.more(&format!("signed with the {} key", health.object("taKey")?.as_str().unwrap_or("unknown")));
    story.more(&format!("it says it protects {}", tee.object("protection")?));

    if !kms.get("/admin/signers").await?.object("admin")?.is_null() {
        return Err(failed("the TEE has an admin already; the demo needs a new one"));
    }
    let mut secret = vec![0; 32];
    getrandom::fill(&mut secret).map_err(failed)?;
    let key = AdminKey::new(&SecretSlice::from(secret)).map_err(failed)?;
    let address = key.address();
    let tee_id = unattested(&kms).await?;
    let admin = Admin::new(kms, Signer::Key(key), tee_id, None);
    admin.provision(setup(args, deployment, paymaster)?).await?;
    story.say("admin", &format!("{address} provisioned the TEE over HTTP"));
    let node = Node::start(config).await?;
    story.say("node", &format!("JSON-RPC at {}", base(node.rpc_url())));
    let mut permissions = Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION;
    if args.local_key {
        permissions = permissions | Permissions::SPONSOR_WITHOUT_PASSKEY;
    }
    admin.authorize(node.relay_signer(), permissions).await?;
    story.say("admin", &format!("authorised the relay's key {}", node.relay_signer()));
    Ok(node)
}

/// What the TEE is set up with, as config/tee.json.
fn setup(args: &DemoArgs, deployment: &Deployment, paymaster: &Paymaster) -> Result<TeeSetup, Error> {
    let entry_point = &deployment.entry_point;
    let setup = json!({
        "relyingParties": [{ "id": RP_ID, "origins": [base(&args.origin)] }],
        "ceilings": {
            "deployments": [{
                "chainId": CHAIN_ID,
                "entryPoint": entry_point.address(),
                "version": entry_point.version().to_string(),
                "paymaster": paymaster.address(),
            }],
            "maxCost": "0x16345785d8a0000",
            "maxWindow": 3600,
            "maxAccounts": 10_000,
        },
    });
    serde_json::from_value(setup).map_err(failed)
}

/// The node's configuration, as an operator would write it, and the folder that it names.
fn configure(
    anvil: &Anvil,
    deployment: &Deployment,
    paymaster: &Paymaster,
    args: &DemoArgs,
) -> Result<(TempDir, Config), Error> {
    let data = tempfile::tempdir().map_err(failed)?;
    let file = data.path().join(FILE);
    std::fs::write(data.path().join("relay-key.passphrase"), uuid::Uuid::new_v4().to_string()).map_err(failed)?;
    let here = || kms_here(anvil, deployment, args, &data);
    let kms = args.kms.as_ref().map_or_else(here, |url| format!("remote_kms.urls = [\"{url}\"]"));
    let unproven = if args.local_key { WITHOUT_PASSKEY } else { "" };
    let configuration = [kms.as_str(), &relay(anvil, deployment, paymaster, &data), unproven].concat();
    std::fs::write(&file, configuration).map_err(failed)?;
    let config = Sources { file: Some(file), overrides: Vec::new() }.load()?;
    Ok((data, config))
}

fn kms_here(anvil: &Anvil, deployment: &Deployment, args: &DemoArgs, data: &TempDir) -> String {
    let (data, chain, factory) = (data.path().display(), anvil.url(), deployment.account_factory.address());
    let origin = base(&args.origin);
    format!(
        r#"
        [kms]
        data_dir = "{data}/kms"
        rp_id = "{RP_ID}"
        origins = ["{origin}"]
        factory = {{ address = "{factory}", rpc_url = "{chain}" }}

        [bootstrap]
        admin_key_file = "{data}/admin.key"
        "#
    )
}

fn relay(anvil: &Anvil, deployment: &Deployment, paymaster: &Paymaster, data: &TempDir) -> String {
    let entry_point = &deployment.entry_point;
    let (data, chain) = (data.path().display(), anvil.url());
    format!(
        r#"
        [listen]
        rpc = "127.0.0.1:0"
        ops = "127.0.0.1:0"
        kms = "127.0.0.1:0"

        [relay]
        database = "{data}/relay.sqlite"
        rp_id = "{RP_ID}"
        chain = {{ chain_id = {CHAIN_ID}, rpc_url = "{chain}" }}
        relay_key = {{ file = "{data}/relay-key.json", passphrase_file = "{data}/relay-key.passphrase" }}
        default_account = {{ active = true }}

        [[relay.deployments]]
        entry_point = "{address}"
        version = "{version}"
        paymaster = "{paymaster}"

        [[relay.policies]]
        id = "demo"
        max_cost_per_operation = "20000000000000000"
        "#,
        address = entry_point.address(),
        version = entry_point.version(),
        paymaster = paymaster.address(),
    )
}
