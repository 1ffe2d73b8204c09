//! A start without serving: looks at what a start needs, and changes nothing.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use kms_gateway::Gateway;
use kms_gateway::settings::TeeKind;
use paymaster_relay::Settings;
use paymaster_relay::chain::RpcChain;
use paymaster_relay::kms::{Kms, KmsError, KmsSigners};
use paymaster_relay::status::Check;
use paymaster_relay::store::SqliteStore;
use prometheus::Registry;
use proto::command::{RotateSigner, Sponsor, SponsorReply, WalletInfo};
use proto::{AccountId, Address};
use rustix::fs::Access;

use super::{kms, node, relay, start_error};
use crate::config::{Config, KmsOfNode, Profile};
use crate::error::Error;

/// Seconds that a signer has to be announced before it is let in, in production: time for the guardian to look.
const LEAST_ACTIVATION_DELAY: u32 = 24 * 60 * 60;
/// Not there yet when a relay is set up; a start serves without.
const OF_A_SPONSORSHIP: [&str; 4] = ["tee", "relay_key", "signer", "deposit"];
const NOT_LOOKED_AT: &str = "not looked at: whether the ports are free, and a TEE of this machine";

/// What there is to say where nothing is wrong: what the first start makes, and what a sponsorship lacks.
pub async fn check(config: &Config) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    if config.relay.is_some() {
        let (settings, kms) = config.for_node()?;
        found.extend(check_relay(config, settings, &kms).await?);
    }
    if let Some(settings) = &config.kms {
        found.extend(check_kms(settings).await?);
    }
    if let Some(bootstrap) = &config.bootstrap
        && bootstrap.admin_key_file.exists()
    {
        kms::admin_key(&bootstrap.admin_key_file)?;
    }
    found.push(NOT_LOOKED_AT.to_owned());
    Ok(found)
}

async fn check_relay(config: &Config, settings: &Settings, kms: &KmsOfNode<'_>) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    // Unlike the others, this folder is not made by a start.
    let folder = settings.database.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Error::Start(format!("relay.database: there is no folder {}", folder.display())));
    }
    let database = SqliteStore::look_at(&settings.database).await.map_err(start_error("relay.database"))?;
    found.extend(told(database, "relay.database", &settings.database)?);
    let folder = settings.admin_socket();
    writable(folder.parent(), "relay.admin_socket")?;

    // The relay is put together over an empty database, and with a key of its own where there is none yet.
    let scratch = tempfile::tempdir().map_err(start_error("a temporary folder"))?;
    let mut looked_at = settings.clone();
    looked_at.database = scratch.path().join("relay.sqlite");
    let key_file = &settings.relay_key.file;
    let has_key = key_file.exists();
    if !has_key {
        writable(key_file.parent(), "relay.relay_key.file")?;
        looked_at.relay_key.file = scratch.path().join("relay-key.json");
        found.push(format!("relay.relay_key.file: the first start makes {}", key_file.display()));
    }
    let port: Arc<dyn Kms> = match kms {
        KmsOfNode::Here(_) => Arc::new(NotAsked),
        KmsOfNode::Elsewhere(remote) => Arc::new(node::remote_kms(remote)?),
    };
    let key = relay::open_key(&looked_at, Arc::clone(&port))?;
    let open = relay::open(&looked_at, port, key, &Registry::new()).await?;
    let status = open.relay.status().await;
    open.store.close().await;
    let chain_is_there = status.iter().any(|check| check.name == "chain" && check.problem.is_none());
    if config.profile == Profile::Production && chain_is_there {
        check_activation_delay(settings).await?;
    }
    for Check { name, problem } in status {
        let of_the_kms = ["kms", "tee", "relay_key", "signer"].contains(&name);
        let Some(problem) = problem else { continue };
        if (of_the_kms && matches!(kms, KmsOfNode::Here(_))) || (name == "relay_key" && !has_key) {
            continue;
        }
        if !OF_A_SPONSORSHIP.contains(&name) {
            return Err(Error::Start(format!("{name}: {problem}")));
        }
        found.push(format!("missing for a sponsorship: {name}: {problem}"));
    }
    Ok(found)
}

async fn check_activation_delay(settings: &Settings) -> Result<(), Error> {
    let chain = RpcChain::new(&settings.chain).map_err(start_error("relay.chain"))?;
    for deployment in &settings.deployments {
        let paymaster = Address(deployment.paymaster.into_array());
        let delay = chain.activation_delay(paymaster).await.map_err(start_error("relay.deployments.paymaster"))?;
        if delay < LEAST_ACTIVATION_DELAY {
            return Err(Error::Start(format!(
                "relay.deployments.paymaster: {paymaster} activates a signer {delay} s after its proposal; in production at \
                 least {LEAST_ACTIVATION_DELAY} s are needed, and the delay is fixed when the contract is deployed"
            )));
        }
    }
    Ok(())
}

async fn check_kms(settings: &kms_gateway::Settings) -> Result<Vec<String>, Error> {
    let problem = start_error("kms.data_dir");
    writable(Some(&settings.data_dir), "kms.data_dir")?;
    let database = Gateway::look_at(&settings.data_dir).await.map_err(problem)?;
    let found = told(database, "kms.data_dir", &settings.data_dir)?;
    Ok(match settings.tee {
        TeeKind::Simulator => found.into_iter().chain(["kms.tee: the simulator protects nothing".to_owned()]).collect(),
        TeeKind::Optee => found.into_iter().collect(),
    })
}

fn told(migrations: Option<usize>, key: &str, place: &Path) -> Result<Option<String>, Error> {
    match migrations {
        Some(0) => Ok(None),
        Some(due) => Ok(Some(format!("{key}: the next start makes {due} migrations"))),
        None => {
            writable(place.parent(), key)?;
            Ok(Some(format!("{key}: the first start makes a database at {}", place.display())))
        }
    }
}

/// Whether files can be made there, or the folder itself.
fn writable(folder: Option<&Path>, key: &str) -> Result<(), Error> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|problem| Error::Start(format!("{key}: {} cannot be written: {problem}", there.display())))
}

/// In the place of a KMS in the same process, whose TEE is not opened.
struct NotAsked;

impl NotAsked {
    fn answer<T>() -> Result<T, KmsError> {
        Err(KmsError::Unavailable { message: "not asked".to_owned(), in_doubt: false })
    }
}

#[async_trait]
impl Kms for NotAsked {
    async fn sponsor(&self, _: &Sponsor, _: &str) -> Result<SponsorReply, KmsError> {
        Self::answer()
    }

    async fn wallet(&self, _: &AccountId) -> Result<WalletInfo, KmsError> {
        Self::answer()
    }

    async fn signers(&self) -> Result<KmsSigners, KmsError> {
        Self::answer()
    }

    async fn rotate_signer(&self, _: &RotateSigner) -> Result<(), KmsError> {
        Self::answer()
    }

    async fn ready(&self) -> Result<(), KmsError> {
        Self::answer()
    }
}
