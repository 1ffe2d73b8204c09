//! The parts shared by the services of a relay.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::chains::Chains;
use crate::claims::ClaimStore;
use crate::clients::ApiKeys;
use crate::kms::Kms;
use crate::metrics::Metrics;
use crate::policy::Standings;
use crate::ports::{Clock, Entropy};
use crate::relay_key::RelayKey;
use crate::store::Store;
use crate::webhook::Webhooks;

/// The ports and state shared by the services; the composition root chooses the implementations.
/// Each service takes the ones it uses.
#[derive(Clone)]
pub struct Parts {
    /// The validated settings.
    pub catalogue: Arc<Catalogue>,
    /// The operator's view of accounts.
    pub standings: Arc<dyn Standings>,
    /// Sponsorships.
    pub store: Arc<dyn Store>,
    /// The claims of requests.
    pub claims: Arc<dyn ClaimStore>,
    /// The KMS.
    pub kms: Arc<dyn Kms>,
    /// The chains.
    pub chains: Arc<Chains>,
    /// The relay's key.
    pub relay_key: Arc<RelayKey>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// API keys.
    pub api_keys: Arc<ApiKeys>,
    /// The webhooks of policies.
    pub webhooks: Arc<Webhooks>,
}
