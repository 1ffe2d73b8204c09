//! The demo's environment: a chain with the real EntryPoint, our paymaster on it, and a node.

use std::path::PathBuf;

use devkit::{
    Address, Anvil, AnvilOptions, Deployment, EntryPoint, EntryPointVersion, Node, Paymaster, TeeSigner, Tools, U256,
};
use kms_api::admin::GetSigners;
use kms_api::status::GetVersion;
use proto::command::SignatureScheme;
use tempfile::TempDir;

use crate::Outcome;
use crate::args::Args;
use crate::client::Kms;
use crate::configuration::{self, Ground};
use crate::place::Place;
use crate::product::Product;
use crate::remote_tee::RemoteTee;
use crate::story::Story;

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Bundlers require a day (ERC-7562).
const UNSTAKE_DELAY_SECONDS: u32 = 86_400;

/// Everything that runs; it is stopped when dropped.
pub struct World {
    node: Node,
    anvil: Anvil,
    deployment: Deployment,
    paymaster: Paymaster,
    rpc_url: String,
    kms_url: String,
    paymaster_signer: Address,
    relay_signer: String,
    origin: String,
    page: Place,
    file: PathBuf,
    _folder: TempDir,
}

impl World {
    /// Starts chain and node, and admits the TEE's signer to the paymaster.
    pub async fn start(args: &Args, story: &Story) -> Outcome<Self> {
        let product = Product::find(args.super_relay.clone())?;
        let tools = Tools::locate(&args.project)?;
        let anvil = Anvil::start(tools.anvil(), AnvilOptions::default()).await?;
        let deployment = devkit::deploy(&anvil, &tools, args.entrypoint).await?;
        let entry_point = &deployment.entry_point;
        story.say("chain", &format!("anvil at {}, EntryPoint at {}", anvil.url(), entry_point.address()));

        let paymaster = Paymaster::deploy(&anvil, &tools, entry_point).await?;
        paymaster.deposit(U256::from(ETHER)).await?;
        paymaster.stake(U256::from(ETHER), UNSTAKE_DELAY_SECONDS).await?;
        story.say("paymaster", &format!("{} with a deposit and a stake of 1 ether each", paymaster.address()));

        let folder = tempfile::tempdir()?;
        let page = Place::choose(args)?;
        let ground = Ground { anvil: &anvil, deployment: &deployment, paymaster: &paymaster, page: &page };
        let file = configuration::write(folder.path(), &ground, args)?;
        let tee = match &args.kms {
            Some(url) => Some(RemoteTee::provision(&product, url, folder.path(), &ground, args, story).await?),
            None => None,
        };
        let node = product.start_node(&file).await?;
        let (rpc_url, relay_signer) = (url(&node, "rpc")?, node.field("relay_signer").unwrap_or_default().to_owned());
        let kms_url = match &args.kms {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => url(&node, "kms")?,
        };
        match &tee {
            Some(tee) => {
                story.say("node", &format!("JSON-RPC at {rpc_url}"));
                tee.authorise(&product, &relay_signer, args, story).await?;
            }
            None => {
                story.say("node", &format!("JSON-RPC at {rpc_url}, KMS at {kms_url}"));
                story.more("the TEE is the simulator: the real trusted core, but it protects nothing");
            }
        }
        let paymaster_signer = admit_tee(&paymaster, &Kms::at(&kms_url), story).await?;
        let (origin, _folder) = (args.origin.clone(), folder);
        Ok(Self {
            node,
            anvil,
            deployment,
            paymaster,
            rpc_url,
            kms_url,
            paymaster_signer,
            relay_signer,
            origin,
            page,
            file,
            _folder,
        })
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

    /// The address of the account with that owner and salt, deployed or not.
    pub async fn account_address(&self, owner: Address, salt: U256) -> Outcome<Address> {
        Ok(self.deployment.account_factory.account_address(owner, salt).await?)
    }

    /// The signature scheme of this version's accounts.
    pub fn signature_scheme(&self) -> SignatureScheme {
        configuration::signature_scheme(self.version())
    }

    /// The address the account calls, which is otherwise unused.
    pub fn greeted(&self) -> Address {
        self.anvil.bundler()
    }

    pub fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    pub fn kms_url(&self) -> &str {
        &self.kms_url
    }

    pub fn ops_url(&self) -> Outcome<String> {
        url(&self.node, "ops")
    }

    pub fn chain_url(&self) -> &str {
        self.anvil.url().as_str().trim_end_matches('/')
    }

    /// The node's configuration, with databases, keys and log beside it.
    pub fn file(&self) -> &PathBuf {
        &self.file
    }

    /// The origin of pages that use passkeys.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where the node serves its page, if passkeys work there.
    pub fn page(&self) -> Option<String> {
        self.page.origin()
    }

    pub fn paymaster_signer(&self) -> Address {
        self.paymaster_signer
    }

    pub fn relay_signer(&self) -> &str {
        &self.relay_signer
    }

    /// Balance of an address, in wei.
    pub async fn balance(&self, address: Address) -> Outcome<U256> {
        Ok(self.anvil.balance(address).await?)
    }

    /// The paymaster's deposit at the EntryPoint, in wei.
    pub async fn deposit(&self) -> Outcome<U256> {
        Ok(self.paymaster.deposited().await?)
    }

    /// The node, which may end by itself.
    pub fn node(&mut self) -> &mut Node {
        &mut self.node
    }

    /// An error with the node's preceding log lines.
    pub fn explain(&self, error: &str) -> String {
        format!("{error}\nthe node's log ends with\n{}", self.node.last_lines())
    }
}

fn url(node: &Node, server: &str) -> Outcome<String> {
    node.url(server).ok_or_else(|| format!("the node does not say where it serves {server}").into())
}

/// The paymaster's owner admits the TEE's signer, with the measurement of its code.
async fn admit_tee(paymaster: &Paymaster, kms: &Kms, story: &Story) -> Outcome<Address> {
    let (signers, tee) = (kms.get(&GetSigners).await?, kms.get(&GetVersion).await?.tee);
    let address = signers.paymaster_signer.ok_or("the TEE is not provisioned")?.into();
    let (measurement, tee_id) = (tee.measurement.into(), tee.id.into());
    paymaster.admit_signer(&TeeSigner { address, measurement, tee_id }).await?;
    story.say("paymaster", &format!("admits the TEE's signer {address}"));
    story.more(&format!("with the measurement of its code {measurement} and the TEE's id {tee_id}"));
    Ok(address)
}
