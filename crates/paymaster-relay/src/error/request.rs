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
    /// The request is for another chain.
    #[error("this relay serves chain {expected}, not {given}")]
    WrongChain {
        /// Ours.
        expected: u64,
        /// The request's.
        given: u128,
    },
    /// No deployment serves that EntryPoint.
    #[error("this EntryPoint is not supported; those that are: {}", supported.iter().map(Address::to_string).collect::<Vec<_>>().join(", "))]
    EntryPointNotSupported {
        /// Those that are.
        supported: Vec<Address>,
    },
    /// No policy has that name.
    #[error("there is no policy {policy_id:?}")]
    UnknownPolicy {
        /// The name.
        policy_id: String,
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
    #[error("the operation names a paymaster that is not ours, {ours}")]
    PaymasterNotOurs {
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

impl From<InvalidField> for RequestError {
    fn from(field: InvalidField) -> Self {
        Self::InvalidField(field)
    }
}
