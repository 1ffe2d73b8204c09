//! The validated configuration of chains, deployments and policies.

mod account_codes;
mod chain;
mod contradictions;
mod policies;
mod validity;

use std::sync::Arc;

use proto::limits::MAX_DEPLOYMENTS;
use proto::{EntryPoint, EntryPointVersion};

pub use chain::ChainCatalogue;
pub use policies::{LivePolicies, Offer, PolicySet};
pub use validity::Validity;

use crate::deployment::Deployment;
use crate::policy::Policy;
use crate::settings::{ChainSettings, DeploymentSettings, LedgerSettings, PolicySettings, Settings, SettingsError};
use crate::spend::SpendLimits;

/// The configuration that a request is looked up in.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The sponsor's name, as shown by wallets.
    pub sponsor_name: String,
    /// The WebAuthn relying party.
    pub rp_id: String,
    /// Maximum number of signings of one sponsorship.
    pub max_signings: u32,
    /// Maximum number of seconds from the relay's approval to the end of a window.
    pub max_window: u64,
    /// Whether a TEE without allowances is a problem.
    pub requires_allowances: bool,
    /// How the ledger is kept.
    pub ledger: LedgerSettings,
    chains: Vec<Arc<ChainCatalogue>>,
    policies: Arc<LivePolicies>,
}

impl Catalogue {
    /// Validates the settings.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        check_chains(settings)?;
        let deployments = settings
            .deployments
            .iter()
            .map(|deployment| placed(deployment, settings))
            .collect::<Result<Vec<_>, _>>()?;
        check_deployments(&deployments)?;
        let policies = Arc::new(LivePolicies::new(PolicySet::of_settings(settings)?));
        let chains = settings.all_chains().iter().map(|chain| {
            let of_chain = deployments.iter().filter(|deployment| deployment.entry_point.chain_id == chain.chain_id);
            of_one(chain, settings, of_chain.copied().collect(), &policies).map(Arc::new)
        });
        Ok(Self {
            chains: chains.collect::<Result<_, _>>()?,
            max_signings: settings.max_signings,
            max_window: settings.max_window_seconds,
            requires_allowances: settings.require_allowances.unwrap_or(true),
            ledger: settings.ledger,
            sponsor_name: settings.sponsor_name.clone(),
            rp_id: settings.rp_id.clone(),
            policies,
        })
    }

    /// Every chain, in the order of the settings.
    #[must_use]
    pub fn chains(&self) -> &[Arc<ChainCatalogue>] {
        &self.chains
    }

    /// Every deployment on all chains.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.chains.iter().flat_map(|chain| chain.deployments())
    }

    /// The policies and caps that apply now.
    #[must_use]
    pub fn policy_set(&self) -> Arc<PolicySet> {
        self.policies.now()
    }

    /// Every enabled policy.
    #[must_use]
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        self.policy_set().enabled().cloned().collect()
    }

    /// The policies, which may be replaced.
    #[must_use]
    pub fn live_policies(&self) -> &Arc<LivePolicies> {
        &self.policies
    }
}

fn of_one(
    chain: &ChainSettings,
    settings: &Settings,
    deployments: Vec<Deployment>,
    policies: &Arc<LivePolicies>,
) -> Result<ChainCatalogue, SettingsError> {
    let id = chain.chain_id;
    if deployments.is_empty() {
        return Err(SettingsError::Invalid { key: "deployments", problem: format!("none is for chain {id}") });
    }
    Ok(ChainCatalogue {
        id,
        is_listed: chain.is_listed,
        confirmations: chain.confirmations,
        validity: Validity::on(chain, settings)?,
        price: chain.price_source()?,
        deployments,
        policies: Arc::clone(policies),
    })
}

fn check_chains(settings: &Settings) -> Result<(), SettingsError> {
    let invalid = |key, problem: &str| Err(SettingsError::Invalid { key, problem: problem.to_owned() });
    match (&settings.chain, &settings.chains[..]) {
        (None, []) => return invalid("chain", "missing: set [relay.chain], or [[relay.chains]] for several"),
        (Some(_), [_, ..]) => return invalid("chains", "chain is set too: list every chain in chains"),
        _ => {}
    }
    let chains = settings.all_chains();
    unique("chains", chains.iter().map(|chain| chain.chain_id))?;
    // The database has integers of 63 bits, and EIP-155 has no chain 0.
    let outside = chains.iter().find(|chain| !(1..=i64::MAX.unsigned_abs()).contains(&chain.chain_id));
    outside.map_or(Ok(()), |chain| {
        let keys = ["chain.chain_id", "chains.chain_id"];
        Err(chain.invalid(keys, &format!("must be from 1 to {}", i64::MAX)))
    })
}

/// A deployment on the chain it names, or on the only one.
fn placed(deployment: &DeploymentSettings, settings: &Settings) -> Result<Deployment, SettingsError> {
    const KEY: &str = "deployments.chain_id";
    let Some(chain_id) = settings.chain_of(deployment) else {
        let (paymaster, chains) = (deployment.paymaster, named(settings));
        let problem = format!("missing for the paymaster {paymaster}: there are several chains, {chains}");
        return Err(SettingsError::Invalid { key: KEY, problem });
    };
    check_known(KEY, chain_id, settings)?;
    Ok(Deployment::new(chain_id, deployment))
}

fn check_deployments(deployments: &[Deployment]) -> Result<(), SettingsError> {
    const KEY: &str = "deployments";
    let named = |EntryPoint { chain_id, address, .. }: EntryPoint| format!("{address} on chain {chain_id}");
    unique(KEY, deployments.iter().map(|deployment| named(deployment.entry_point)))?;
    let count = deployments.len();
    if count > MAX_DEPLOYMENTS {
        let problem = format!("{count} are listed, and the ceilings of a TEE name at most {MAX_DEPLOYMENTS}");
        return Err(SettingsError::Invalid { key: KEY, problem });
    }
    deployments.iter().try_for_each(|deployment| check_version(&deployment.entry_point))
}

fn check_policy(policy: &PolicySettings, settings: &Settings) -> Result<(), SettingsError> {
    policy.chain_ids.iter().try_for_each(|chain_id| check_known("policies.chain_ids", *chain_id, settings))?;
    SpendLimits::check(&policy.id, &policy.limits)?;
    check_price(policy, settings)?;
    contradictions::check(policy, settings)?;
    account_codes::check(policy, settings)?;
    check_webhook(policy, settings)?;
    check_simulation(policy, settings)
}

fn check_webhook(policy: &PolicySettings, settings: &Settings) -> Result<(), SettingsError> {
    let Some(name) = &policy.webhook else { return Ok(()) };
    if settings.webhooks.iter().any(|webhook| webhook.name == *name) {
        return Ok(());
    }
    let problem = format!("policy {:?}: {name:?} is none of relay.webhooks", policy.id);
    Err(SettingsError::Invalid { key: "policies.webhook", problem })
}

/// A limit in US dollars needs the price of every chain's coin.
fn check_price(policy: &PolicySettings, settings: &Settings) -> Result<(), SettingsError> {
    let lacking = settings.all_chains().iter().find(|chain| policy.is_open_on(chain.chain_id) && chain.price.is_none());
    let Some(chain) = lacking.filter(|_| policy.limits.iter().any(|limit| limit.max_usd.is_some())) else {
        return Ok(());
    };
    let problem = format!("policy {:?} has a limit in US dollars", policy.id);
    Err(chain.invalid(["chain.price", "chains.price"], &format!("missing: {problem}")))
}

/// A policy that simulates could sponsor nothing on a chain without bundlers.
fn check_simulation(policy: &PolicySettings, settings: &Settings) -> Result<(), SettingsError> {
    let chains = settings.all_chains();
    let lacking =
        chains.iter().find(|chain| policy.is_open_on(chain.chain_id) && settings.bundlers_of(chain).is_none());
    let Some(chain) = lacking.filter(|_| policy.simulate) else { return Ok(()) };
    let (missing, place) = match chain.is_listed {
        false => ("bundler.urls".to_owned(), String::new()),
        true => ("chains.bundler.urls".to_owned(), format!(" of chain {}", chain.chain_id)),
    };
    let problem = format!("policy {:?} simulates operations through a bundler: set {missing}{place}", policy.id);
    Err(SettingsError::Invalid { key: "policies.simulate", problem })
}

fn check_known(key: &'static str, chain_id: u64, settings: &Settings) -> Result<(), SettingsError> {
    if settings.all_chains().iter().any(|chain| chain.chain_id == chain_id) {
        return Ok(());
    }
    let problem = format!("{chain_id} is not one of the chains: {}", named(settings));
    Err(SettingsError::Invalid { key, problem })
}

fn named(settings: &Settings) -> String {
    settings.all_chains().iter().map(|chain| chain.chain_id.to_string()).collect::<Vec<_>>().join(", ")
}

/// With a version other than the contract's, every operation would have a wrong hash.
fn check_version(entry_point: &EntryPoint) -> Result<(), SettingsError> {
    let EntryPoint { address, version, .. } = *entry_point;
    match EntryPointVersion::ALL.into_iter().find(|known| known.canonical_address() == address) {
        Some(known) if known != version => Err(SettingsError::Invalid {
            key: "deployments.version",
            problem: format!("{address} is the EntryPoint of version {known}, not {version}"),
        }),
        Some(_) | None => Ok(()),
    }
}

fn unique<T: PartialEq + ToString>(key: &'static str, values: impl Iterator<Item = T>) -> Result<(), SettingsError> {
    let mut seen: Vec<T> = Vec::new();
    for value in values {
        if seen.contains(&value) {
            return Err(SettingsError::Duplicate { key, value: value.to_string() });
        }
        seen.push(value);
    }
    if seen.is_empty() {
        return Err(SettingsError::Empty { key });
    }
    Ok(())
}
