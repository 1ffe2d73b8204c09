//! A start without serving: checks everything that a start needs, and changes nothing on disk.

use std::sync::Arc;

use async_trait::async_trait;
use kms_gateway::Gateway;
use kms_gateway::factory::ChainFactory;
use paymaster_relay::Settings;
use paymaster_relay::chain::RpcChain;
use paymaster_relay::kms::{Kms, KmsError, KmsSigners};
use paymaster_relay::settings::ChainSettings;
use paymaster_relay::sqlite::Database;
use paymaster_relay::status::Check;
use private_files::TemporaryFolder;
use prometheus::Registry;
use proto::command::{RotateSigner, Sponsor, SponsorReply, WalletInfo};
use proto::{AccountId, Address, Wei};

use super::{kms, look, node, ports, relay, start_error};
use crate::config::{Bootstrap, Config, KmsOfNode, Profile};
use crate::error::Error;

/// In production, the minimum time in seconds between a signer's proposal and its activation: time
/// for the guardian to check it.
const LEAST_ACTIVATION_DELAY: u32 = 24 * 60 * 60;
/// Checks that fail while a relay is being set up; a start serves without them.
const OF_A_SPONSORSHIP: [&str; 7] = ["tee", "relay_key", "signer", "ceilings", "allowances", "window", "deposit"];
const NOT_LOOKED_AT: &str = "not checked: whether the ports are free, and a TEE on this machine";

/// The notes of a successful check: what the first start creates, and what a sponsorship still
/// needs.
pub async fn check(config: &Config) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    if config.relay.is_some() {
        let (settings, kms) = config.for_node()?;
        [config.listen.rpc, config.listen.ops].into_iter().try_for_each(ports::look_at)?;
        found.extend(check_relay(config, settings, &kms).await?);
    }
    if let Some(settings) = &config.kms {
        [config.listen.kms, config.listen.ops].into_iter().try_for_each(ports::look_at)?;
        found.extend(check_kms(settings).await?);
    }
    if let (Some(settings), Some(bootstrap)) = (&config.kms, &config.bootstrap) {
        let deployments = match &config.relay {
            Some(relay) => kms::deployments(relay),
            None => kms::bootstrap_deployments(bootstrap),
        };
        kms::wanted(settings, bootstrap, &deployments, Address::default())?;
        if let Some(relay) = &config.relay {
            let missing = narrower_than_the_relays(bootstrap, relay);
            found.extend(missing.map(|problem| format!("missing for a sponsorship: {problem}")));
        }
        found.extend(look::at_bootstrap(bootstrap)?);
    }
    found.push(NOT_LOOKED_AT.to_owned());
    Ok(found)
}

async fn check_relay(config: &Config, settings: &Settings, kms: &KmsOfNode<'_>) -> Result<Vec<String>, Error> {
    let mut found = look::at_relay(settings).await?;
    Database::check_pages(&settings.database).await.map_err(start_error("relay.database"))?;
    let port: Arc<dyn Kms> = match kms {
        KmsOfNode::Here(_) => Arc::new(NotAsked),
        KmsOfNode::Elsewhere(remote) => Arc::new(node::remote_kms(remote)?),
    };
    // The relay is assembled with an empty database, and with a temporary key if it has none yet.
    let scratch = TemporaryFolder::make_in(&std::env::temp_dir()).map_err(start_error("a temporary folder"))?;
    let mut elsewhere = settings.clone();
    elsewhere.database = scratch.path().join("relay.sqlite");
    let key = relay::look_at_key(settings, Arc::clone(&port))?;
    let has_key = key.is_some();
    let key = match key {
        Some(key) => key,
        None => {
            let file = settings.relay_key.file.display();
            found.push(format!("relay.relay_key.file: the first start makes {file}"));
            elsewhere.relay_key.file = scratch.path().join("relay-key.json");
            relay::open_key(&elsewhere, Arc::clone(&port))?
        }
    };
    let open = relay::open(&elsewhere, port, key, &Registry::new()).await?;
    let status = open.readiness.status().await;
    let bundlers = open.readiness.bundlers().await;
    open.store.database().close().await;
    if config.profile == Profile::Production {
        let answering = |check: &&Check| check.name == "chain" && check.problem.is_none();
        for Check { chain_id, .. } in status.iter().filter(answering) {
            check_activation_delay(settings, *chain_id).await?;
        }
    }
    let mut wrong = Vec::new();
    let of_others = status.into_iter().filter(|check| check.name != "bundler");
    for check in of_others.chain(bundlers).filter(|check| check.problem.is_some()) {
        let name = check.name;
        let of_the_kms = ["kms", "tee", "relay_key", "signer", "ceilings"].contains(&name);
        if (of_the_kms && matches!(kms, KmsOfNode::Here(_))) || (name == "relay_key" && !has_key) {
            continue;
        }
        if OF_A_SPONSORSHIP.contains(&name) {
            found.push(format!("missing for a sponsorship: {check}"));
        } else {
            wrong.push(check.to_string());
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(Error::Start(wrong.join("\n"))) }
}

/// Sponsorships that the relay allows but a TEE set up by `bootstrap` would not sign.
fn narrower_than_the_relays(bootstrap: &Bootstrap, relay: &Settings) -> impl Iterator<Item = String> {
    let window = (u64::from(bootstrap.max_window_seconds) < relay.max_window_seconds).then(|| {
        format!(
            "window: bootstrap.max_window_seconds is {}, and relay.max_window_seconds is {}",
            bootstrap.max_window_seconds, relay.max_window_seconds
        )
    });
    let ceiling = Wei::from(bootstrap.max_cost_wei);
    let policies = relay.policies.iter().flat_map(move |policy| {
        let cost = Wei::from(policy.max_cost_per_operation);
        let above = (cost > ceiling).then(|| {
            format!(
                "ceilings: bootstrap.max_cost_wei is {ceiling}, and max_cost_per_operation of policy {:?} is {cost}",
                policy.id
            )
        });
        let unproven = (policy.allow_without_passkey && bootstrap.sponsor_without_passkey == Some(false)).then(|| {
            format!(
                "relay_key: bootstrap.sponsor_without_passkey is false, and policy {:?} has allow_without_passkey",
                policy.id
            )
        });
        above.into_iter().chain(unproven)
    });
    window.into_iter().chain(policies)
}

/// On the given chain, or on the only one.
async fn check_activation_delay(settings: &Settings, chain_id: Option<u64>) -> Result<(), Error> {
    let is_asked = |chain: &&ChainSettings| chain_id.is_none_or(|chain_id| chain_id == chain.chain_id);
    let Some(chain) = settings.all_chains().iter().find(is_asked) else { return Ok(()) };
    let on_chain = settings.deployments.iter().filter(|one| settings.chain_of(one) == Some(chain.chain_id));
    let chain = RpcChain::new(chain).map_err(start_error("relay"))?;
    for deployment in on_chain {
        let paymaster = deployment.paymaster;
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
    let mut found = look::at_kms(settings).await?;
    Gateway::check_pages(&settings.data_dir).await.map_err(start_error("kms.data_dir"))?;
    if let Some(factory) = &settings.factory {
        let factory = ChainFactory::new(factory).map_err(start_error("kms"))?;
        factory.look_at().await.map_err(start_error("kms.factory"))?;
    }
    let tee = settings.tee.row();
    if tee.protects_nothing() {
        found.push(format!("kms.tee: the {} protects nothing", tee.name));
    }
    Ok(found)
}

/// Stands in for a KMS in the same process, whose TEE is not opened.
struct NotAsked;

impl NotAsked {
    fn answer<T>() -> Result<T, KmsError> {
        Err(KmsError::Unavailable { message: "not called".to_owned(), in_doubt: false })
    }
}

#[async_trait]
impl Kms for NotAsked {
    async fn sponsor(&self, _: &Sponsor, _: Address, _: &str) -> Result<SponsorReply, KmsError> {
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
