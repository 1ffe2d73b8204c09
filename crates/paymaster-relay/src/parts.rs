//! What the services of a relay share.

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

/// The ports and the state that services share; the composition root chooses the implementations.
/// Each service takes what it uses.
#[derive(Clone)]
pub struct Parts {
    /// The settings, checked.
    pub catalogue: Arc<Catalogue>,
    /// How accounts stand with the operator.
    pub standings: Arc<dyn Standings>,
    /// Sponsorships.
    pub store: Arc<dyn Store>,
    /// Which request is the first of its kind.
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
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// API keys.
    pub api_keys: Arc<ApiKeys>,
}
