//! Errors in a request itself, independent of the caller and the time.

use proto::Address;
use proto::json::InvalidField;
use thiserror::Error;

/// A request that is invalid, or asks for something that is not offered.
#[derive(Debug, Error)]
pub enum RequestError {
    /// A parameter is malformed.
    #[error("{0}")]
    InvalidField(InvalidField),
    /// The request is for a chain that is not served.
    #[error("this relay serves chain {}, not {given}", listed(supported))]
    WrongChain {
        /// The request's chain.
        given: u128,
        /// The chains that are served.
        supported: Vec<u64>,
    },
    /// The request names another chain than its path.
    #[error("the path is for chain {path}, and the request names chain {named}")]
    ChainMismatch {
        /// The chain in `/rpc/<chain id>`.
        path: u64,
        /// The chain that the request names.
        named: u64,
    },
    /// The request names no chain, and there are several.
    #[error(
        "this relay serves the chains {}, and neither path nor request names one: call /rpc/<chain id>, or send chainId",
        listed(supported)
    )]
    ChainMissing {
        /// The chains that are served.
        supported: Vec<u64>,
    },
    /// No deployment serves that EntryPoint.
    #[error(
        "the EntryPoint {given} is not supported; those that are: {}",
        supported.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
    )]
    EntryPointNotSupported {
        /// The requested EntryPoint.
        given: Address,
        /// The supported EntryPoints.
        supported: Vec<Address>,
    },
    /// No policy has that name.
    #[error(
        "unknown policy {policy_id:?}{}",
        chain_id.map(|chain_id| format!(" for chain {chain_id}")).unwrap_or_default()
    )]
    UnknownPolicy {
        /// The requested name.
        policy_id: String,
        /// The chain, if there are several.
        chain_id: Option<u64>,
    },
    /// The operator has disabled that policy.
    #[error("policy {policy_id:?} is disabled")]
    PolicyDisabled {
        /// Its name.
        policy_id: String,
    },
    /// The caller's key may not use that policy.
    #[error("the API key cannot use policy {policy_id:?}; it can use: {}", allowed.join(", "))]
    PolicyNotAllowed {
        /// The requested name.
        policy_id: String,
        /// The policies that the key may use.
        allowed: Vec<String>,
    },
    /// The operation names a paymaster that is not ours.
    #[error("the operation names the paymaster {given}; this relay's is {ours}")]
    PaymasterNotOurs {
        /// The operation's paymaster.
        given: Address,
        /// Our paymaster on that EntryPoint.
        ours: Address,
    },
    /// The requested window is too short for a bundler.
    #[error("a sponsorship is valid for at least {least} seconds")]
    ValidityTooShort {
        /// Seconds.
        least: u64,
        /// Seconds.
        given: u64,
    },
}

/// The list as it appears in a sentence.
fn listed(chain_ids: &[u64]) -> String {
    chain_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl From<InvalidField> for RequestError {
    fn from(field: InvalidField) -> Self {
        Self::InvalidField(field)
    }
}
