//! What can be sponsored where: the chain, the deployments and the policies, checked once.

use std::sync::Arc;

use proto::json::Excerpt;
use proto::{Address, EntryPoint, EntryPointVersion, Wei};

use crate::budget::Caps;
use crate::deployment::Deployment;
use crate::error::RequestError;
use crate::policy::Policy;
use crate::settings::{Settings, SettingsError};

/// Everything a request is looked up in.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who sponsors, as wallets show it.
    pub sponsor_name: String,
    /// The WebAuthn relying party.
    pub rp_id: String,
    /// How long sponsorships are valid.
    pub validity: Validity,
    /// Times that one sponsorship is signed at most.
    pub max_signings: u32,
    /// How much may be reserved, and by whom.
    pub caps: Caps,
    /// The largest `max_cost_per_operation` of the policies.
    pub largest_cost: Wei,
    /// Wei. The same of the policies that sponsor without a passkey; `None` where none does.
    pub largest_unproven: Option<Wei>,
    deployments: Vec<Deployment>,
    policies: Vec<Arc<Policy>>,
}

/// Seconds a sponsorship is valid for.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// What has to be left of a window when the next block comes.
    pub least: u64,
    /// What is given, and the most a client may ask for.
    pub most: u64,
    /// The same without a passkey.
    pub most_unproven: u64,
    /// How long after the relay's approval a window may end: `maxWindow` of trusted application and
    /// contract.
    pub ceiling: u64,
    /// Within this the next block is expected.
    pub next_block: u64,
}

impl Validity {
    /// That of a request which a passkey approved, or not.
    #[must_use]
    pub(crate) fn of(self, is_proven: bool) -> Self {
        let most = if is_proven { self.most } else { self.most.min(self.most_unproven) };
        Self { most, ..self }
    }

    /// The least a client may ask for.
    #[must_use]
    pub fn shortest(&self) -> u64 {
        self.least.saturating_add(self.next_block)
    }

    /// Unix seconds that a window has to reach, when it is `now` at the latest.
    #[must_use]
    pub(crate) fn needed(&self, now: u64) -> u64 {
        now.saturating_add(self.shortest())
    }
}

impl Catalogue {
    /// Checks the settings against each other.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let validity = Validity {
            least: settings.min_validity_seconds,
            most: settings.validity_seconds,
            most_unproven: settings.reservations.unproven_validity_seconds.unwrap_or(settings.validity_seconds),
            ceiling: settings.max_window_seconds,
            next_block: settings.chain.block_seconds,
        };
        if validity.least == 0 || validity.shortest() > validity.most {
            return Err(SettingsError::Invalid {
                key: "min_validity_seconds",
                problem: format!(
                    "must be above 0, and with chain.block_seconds ({}) not above validity_seconds ({})",
                    validity.next_block, validity.most
                ),
            });
        }
        if validity.most > validity.ceiling {
            return Err(SettingsError::Invalid {
                key: "validity_seconds",
                problem: format!("must not be above max_window_seconds ({})", validity.ceiling),
            });
        }
        if !(validity.shortest()..=validity.most).contains(&validity.most_unproven) {
            return Err(SettingsError::Invalid {
                key: "reservations.unproven_validity_seconds",
                problem: format!(
                    "must be from min_validity_seconds and chain.block_seconds together ({}) to validity_seconds ({})",
                    validity.shortest(),
                    validity.most
                ),
            });
        }
        let chain_id = settings.chain.chain_id;
        let deployments: Vec<_> =
            settings.deployments.iter().map(|deployment| Deployment::new(chain_id, deployment)).collect();
        unique("deployments", deployments.iter().map(|d| d.entry_point.address))?;
        deployments.iter().try_for_each(|deployment| check_version(&deployment.entry_point))?;
        let policies: Vec<_> = settings.policies.iter().map(|policy| Arc::new(Policy::from(policy))).collect();
        unique("policies", policies.iter().map(|policy| policy.id()))?;
        let largest_cost = policies.iter().map(|policy| policy.max_cost()).max().unwrap_or_default();
        let without_passkey = policies.iter().filter(|policy| policy.allows_without_passkey());
        let largest_unproven = without_passkey.map(|policy| policy.max_cost()).max();
        Ok(Self {
            chain_id,
            max_signings: settings.max_signings,
            caps: Caps::new(&settings.reservations, largest_cost)?,
            largest_cost,
            largest_unproven,
            sponsor_name: settings.sponsor_name.clone(),
            rp_id: settings.rp_id.clone(),
            validity,
            deployments,
            policies,
        })
    }

    /// Every deployment, the default first.
    #[must_use]
    pub fn deployments(&self) -> &[Deployment] {
        &self.deployments
    }

    /// The address of every EntryPoint, the default first.
    #[must_use]
    pub fn entry_points(&self) -> Vec<Address> {
        self.deployments.iter().map(|deployment| deployment.entry_point.address).collect()
    }

    /// Every policy, the default first.
    #[must_use]
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// The deployment of an EntryPoint, or the default.
    pub(crate) fn deployment(&self, entry_point: Option<Address>) -> Result<Deployment, RequestError> {
        self.deployments
            .iter()
            .find(|deployment| entry_point.is_none_or(|address| deployment.entry_point.address == address))
            .copied()
            .ok_or_else(|| RequestError::EntryPointNotSupported { supported: self.entry_points() })
    }

    /// The policy of that name, or the default.
    pub(crate) fn policy(&self, id: Option<&str>) -> Result<Arc<Policy>, RequestError> {
        self.policies
            .iter()
            .find(|policy| id.is_none_or(|id| policy.id() == id))
            .cloned()
            .ok_or_else(|| RequestError::UnknownPolicy { policy_id: Excerpt(id.unwrap_or_default()).to_string() })
    }
}

/// A version that is not the contract's hashes every operation to something else.
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
