//! What is wrong with a request itself, whoever makes it and whenever.

use proto::Address;
use proto::json::InvalidField;
use thiserror::Error;

/// A request that asks for what is not offered, or not in a way that can be read.
#[derive(Debug, Error)]
pub enum RequestError {
    /// A parameter is not of its shape.
    #[error("{0}")]
    InvalidField(InvalidField),
    /// The request is for a chain that is not served.
    #[error("this relay serves chain {}, not {given}", listed(supported))]
    WrongChain {
        /// The request's.
        given: u128,
        /// Those that are.
        supported: Vec<u64>,
    },
    /// The request names another chain than the path that it came by.
    #[error("the path is for chain {path}, and the request names chain {named}")]
    ChainMismatch {
        /// Of `/rpc/<chain id>`.
        path: u64,
        /// The request's.
        named: u64,
    },
    /// The request names no chain, and there are several.
    #[error(
        "this relay serves the chains {}, and neither path nor request names one: call /rpc/<chain id>, or send chainId",
        listed(supported)
    )]
    ChainMissing {
        /// Those that are.
        supported: Vec<u64>,
    },
    /// No deployment serves that EntryPoint.
    #[error(
        "the EntryPoint {given} is not supported; those that are: {}",
        supported.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
    )]
    EntryPointNotSupported {
        /// The request's.
        given: Address,
        /// Those that are.
        supported: Vec<Address>,
    },
    /// No policy has that name.
    #[error(
        "there is no policy {policy_id:?}{}",
        chain_id.map(|chain_id| format!(" for chain {chain_id}")).unwrap_or_default()
    )]
    UnknownPolicy {
        /// The name.
        policy_id: String,
        /// The chain, where it is one of several.
        chain_id: Option<u64>,
    },
    /// The caller's key may not choose that policy.
    #[error("the API key can't use policy {policy_id:?}; it can use: {}", allowed.join(", "))]
    PolicyNotAllowed {
        /// The name.
        policy_id: String,
        /// Those that it may choose.
        allowed: Vec<String>,
    },
    /// The operation names a paymaster that isn't ours.
    #[error("the operation names the paymaster {given}; this relay's is {ours}")]
    PaymasterNotOurs {
        /// The operation's.
        given: Address,
        /// Ours on that EntryPoint.
        ours: Address,
    },
    /// The window asked for is too short for a bundler.
    #[error("a sponsorship is valid for at least {least} seconds")]
    ValidityTooShort {
        /// Seconds.
        least: u64,
        /// Seconds.
        given: u64,
    },
}

/// As a sentence lists them.
fn listed(chain_ids: &[u64]) -> String {
    chain_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl From<InvalidField> for RequestError {
    fn from(field: InvalidField) -> Self {
        Self::InvalidField(field)
    }
}
