//! The deployments and policies of one chain.

use std::sync::Arc;

use proto::json::Excerpt;
use proto::{Address, Wei};

use super::policies::LivePolicies;
use super::validity::Validity;
use crate::deployment::Deployment;
use crate::error::RequestError;
use crate::policy::Policy;
use crate::settings::PriceSource;

/// The configuration that a request for one chain is looked up in.
#[derive(Clone, Debug)]
pub struct ChainCatalogue {
    /// EIP-155 chain id.
    pub id: u64,
    /// Whether the settings list it in `chains`: messages about it then name it.
    pub is_listed: bool,
    /// Number of blocks on top of a final one.
    pub confirmations: u64,
    /// The source of the price of its coin.
    pub price: Option<PriceSource>,
    /// How long sponsorships are valid.
    pub validity: Validity,
    pub(super) deployments: Vec<Deployment>,
    pub(super) policies: Arc<LivePolicies>,
}

impl ChainCatalogue {
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

    /// Every enabled policy, the default first unless it is disabled.
    #[must_use]
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        self.policies.now().enabled_on(self.id).cloned().collect()
    }

    /// The largest `max_cost_per_operation` of its policies.
    #[must_use]
    pub fn largest_cost(&self) -> Wei {
        self.policies.now().largest_cost(self.id)
    }

    /// The same for the policies that sponsor without a passkey, in wei; `None` if there are none.
    #[must_use]
    pub fn largest_unproven(&self) -> Option<Wei> {
        self.policies.now().largest_unproven(self.id)
    }

    /// The deployment of an EntryPoint, or the default.
    pub(crate) fn deployment(&self, entry_point: Option<Address>) -> Result<Deployment, RequestError> {
        self.deployments
            .iter()
            .find(|deployment| entry_point.is_none_or(|address| deployment.entry_point.address == address))
            .copied()
            .ok_or_else(|| RequestError::EntryPointNotSupported {
                given: entry_point.unwrap_or_default(),
                supported: self.entry_points(),
            })
    }

    /// The policy of that name, or the default.
    pub(crate) fn policy(&self, id: Option<&str>) -> Result<Arc<Policy>, RequestError> {
        self.policies.now().find(self.id, id).unwrap_or_else(|| {
            let policy_id = Excerpt(id.unwrap_or_default()).to_string();
            Err(RequestError::UnknownPolicy { policy_id, chain_id: self.is_listed.then_some(self.id) })
        })
    }
}
