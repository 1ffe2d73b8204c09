//! The policies that requests choose from. They are replaced as a whole while the relay runs: a
//! request keeps the policy that it was given when it was parsed.

use std::sync::{Arc, PoisonError, RwLock};

use proto::Wei;
use proto::json::Excerpt;

use super::check_policy;
use crate::budget::Caps;
use crate::clients::PolicyNames;
use crate::error::RequestError;
use crate::policy::Policy;
use crate::settings::{PolicySettings, Settings, SettingsError};

/// A policy that requests may name.
#[derive(Clone, Debug)]
pub enum Offer {
    /// It sponsors.
    Enabled(Box<PolicySettings>),
    /// It is refused by name. It keeps its place: a chain whose first policy is disabled has no
    /// other default.
    Disabled {
        /// The name by which requests choose it.
        id: String,
        /// The chains on which it would sponsor. Empty: all.
        chain_ids: Vec<u64>,
    },
}

impl Offer {
    /// A policy that sponsors.
    #[must_use]
    pub fn enabled(policy: PolicySettings) -> Self {
        Self::Enabled(Box::new(policy))
    }
}

/// The policies of one moment, in order: the first of a chain is its default.
#[derive(Clone, Debug)]
pub struct PolicySet {
    entries: Vec<Entry>,
    caps: Caps,
}

#[derive(Clone, Debug)]
struct Entry {
    id: String,
    chain_ids: Vec<u64>,
    /// `None` if it is disabled.
    policy: Option<Arc<Policy>>,
}

impl PolicySet {
    /// Checks each policy against the chains and reservations of the settings, and creates the set.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn new(settings: &Settings, offers: impl IntoIterator<Item = Offer>) -> Result<Self, SettingsError> {
        let mut entries: Vec<Entry> = Vec::new();
        for offer in offers {
            let entry = match offer {
                Offer::Enabled(policy) => {
                    check_policy(&policy, settings)?;
                    let enabled = Some(Arc::new(Policy::from(&*policy)));
                    Entry { id: policy.id, chain_ids: policy.chain_ids, policy: enabled }
                }
                Offer::Disabled { id, chain_ids } => Entry { id, chain_ids, policy: None },
            };
            if entries.iter().any(|known| known.id == entry.id) {
                return Err(SettingsError::Duplicate { key: "policies", value: entry.id });
            }
            entries.push(entry);
        }
        let caps = Caps::new(&settings.reservations, largest(entries.iter()))?;
        Ok(Self { entries, caps })
    }

    /// The policies of the settings.
    pub(super) fn of_settings(settings: &Settings) -> Result<Self, SettingsError> {
        if settings.policies.is_empty() {
            return Err(SettingsError::Empty { key: "policies" });
        }
        let set = Self::new(settings, settings.policies.iter().cloned().map(Offer::enabled))?;
        match settings.chain_ids().into_iter().find(|id| set.on(*id).next().is_none()) {
            Some(id) => Err(SettingsError::Invalid { key: "policies", problem: format!("none is for chain {id}") }),
            None => Ok(set),
        }
    }

    /// The limits on reservations, given the largest operation that a policy allows.
    #[must_use]
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// The ids of all policies, disabled ones too.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.id)
    }

    /// Every enabled policy.
    pub fn enabled(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.entries.iter().filter_map(|entry| entry.policy.as_ref())
    }

    /// Every enabled policy of a chain, the first first.
    pub fn enabled_on(&self, chain_id: u64) -> impl Iterator<Item = &Arc<Policy>> {
        self.on(chain_id).filter_map(|entry| entry.policy.as_ref())
    }

    /// The largest `max_cost_per_operation` of a chain's policies, in wei.
    #[must_use]
    pub fn largest_cost(&self, chain_id: u64) -> Wei {
        largest(self.on(chain_id))
    }

    /// The same for the policies that sponsor without a passkey; `None` if there are none.
    #[must_use]
    pub fn largest_unproven(&self, chain_id: u64) -> Option<Wei> {
        let without_passkey = self.enabled_on(chain_id).filter(|policy| policy.allows_without_passkey());
        without_passkey.map(|policy| policy.max_cost()).max()
    }

    /// The policy of that name on a chain, or the default. `None` if there is none.
    pub(super) fn find(&self, chain_id: u64, id: Option<&str>) -> Option<Result<Arc<Policy>, RequestError>> {
        let entry = self.on(chain_id).find(|entry| id.is_none_or(|id| entry.id == id))?;
        let disabled = || RequestError::PolicyDisabled { policy_id: Excerpt(&entry.id).to_string() };
        Some(entry.policy.clone().ok_or_else(disabled))
    }

    fn on(&self, chain_id: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.chain_ids.is_empty() || entry.chain_ids.contains(&chain_id))
    }
}

fn largest<'a>(entries: impl Iterator<Item = &'a Entry>) -> Wei {
    entries.filter_map(|entry| entry.policy.as_ref()).map(|policy| policy.max_cost()).max().unwrap_or_default()
}

/// The policies that apply now.
#[derive(Debug)]
pub struct LivePolicies(RwLock<Current>);

#[derive(Debug)]
struct Current {
    /// The number of the newest change in the set; 0 for that of the settings.
    change: u64,
    set: Arc<PolicySet>,
}

impl PolicyNames for LivePolicies {
    fn names(&self) -> Vec<String> {
        self.now().ids().map(str::to_owned).collect()
    }
}

impl LivePolicies {
    /// Begins with this set.
    pub(super) fn new(set: PolicySet) -> Self {
        Self(RwLock::new(Current { change: 0, set: Arc::new(set) }))
    }

    /// The set that applies now.
    #[must_use]
    pub fn now(&self) -> Arc<PolicySet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).set)
    }

    /// The number of the newest change that applies.
    #[must_use]
    pub fn change(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).change
    }

    /// Applies a set, unless a later one already applies.
    pub fn replace(&self, change: u64, set: PolicySet) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if current.change < change {
            *current = Current { change, set: Arc::new(set) };
        }
    }
}
