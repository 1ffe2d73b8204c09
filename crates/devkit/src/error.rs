//! Errors of the devkit.

use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::transport::TransportError;
use thiserror::Error;

use crate::user_operation::WireError;

/// A failed step of the devkit.
#[derive(Debug, Error)]
pub enum DevkitError {
    /// A tool or a compiled contract is not installed.
    #[error("{} is missing: run scripts/node-tools", path.display())]
    ToolMissing {
        /// The expected path.
        path: PathBuf,
    },
    /// A compiled contract could not be read.
    #[error("{} is not a compiled contract: {detail}", path.display())]
    BadArtifact {
        /// The artifact's file.
        path: PathBuf,
        /// The problem.
        detail: String,
    },
    /// A compiled contract lacks functions that its source has.
    #[error("{} was compiled from another version of its source: run scripts/node-tools", path.display())]
    ArtifactOutdated {
        /// The artifact's file.
        path: PathBuf,
    },
    /// anvil could not be started, or stopped before it was ready.
    #[error("anvil did not start: {detail}")]
    AnvilDidNotStart {
        /// The error of the operating system, or anvil's own output.
        detail: String,
    },
    /// redis-server could not be started, or does not answer.
    #[error("redis-server did not start: {detail}")]
    RedisDidNotStart {
        /// The observed behaviour.
        detail: String,
    },
    /// super-relay could not be started, or stopped before it was ready.
    #[error("super-relay did not start: {detail}")]
    NodeDidNotStart {
        /// The error of the operating system, or the end of its log.
        detail: String,
    },
    /// No key could be created: the system has no randomness.
    #[error("no key could be created")]
    NoKey,
    /// A version other than those of [`crate::EntryPointVersion`].
    #[error("no EntryPoint version {given:?}: use 0.6, 0.7, 0.8 or 0.9")]
    UnknownEntryPointVersion {
        /// The requested version.
        given: String,
    },
    /// The version does not support the request.
    #[error("EntryPoint v{version} has no {feature}")]
    NotInThisVersion {
        /// The requested version.
        version: crate::EntryPointVersion,
        /// The missing feature.
        feature: &'static str,
    },
    /// The contract got another address than expected: the bytecode is not the published one.
    #[error("{contract} is at {actual}, not at {expected}")]
    WrongAddress {
        /// The contract deployed.
        contract: &'static str,
        /// Its published address.
        expected: Address,
        /// The actual address.
        actual: Address,
    },
    /// A transaction left no code where a contract was expected.
    #[error("transaction {transaction} created no contract")]
    NothingDeployed {
        /// The deploying transaction.
        transaction: B256,
    },
    /// A call reverted.
    #[error("the call reverted with {data}")]
    CallReverted {
        /// ABI-encoded revert data.
        data: Bytes,
    },
    /// A transaction was mined and reverted.
    #[error("transaction {transaction} reverted")]
    TransactionReverted {
        /// The transaction.
        transaction: B256,
    },
    /// A transaction was not mined in time.
    #[error("transaction {transaction} was not mined within {seconds} s")]
    NotMined {
        /// The transaction.
        transaction: B256,
        /// The timeout.
        seconds: u64,
    },
    /// A contract returned data of another form.
    #[error("a contract's answer could not be decoded")]
    BadAnswer(#[from] alloy_sol_types::Error),
    /// The node could not be reached, or returned an error.
    #[error("the node refused: {0}")]
    Rpc(#[from] TransportError),
    /// The user operation does not have the form of its EntryPoint version.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Why an operation failed in `handleOps`.
#[derive(Debug, Error)]
pub enum HandleOpsError {
    /// `FailedOp` (ERC-4337): validation refused the operation.
    #[error("FailedOp({op_index}, {reason:?})")]
    FailedOp {
        /// Position in the bundle.
        op_index: U256,
        /// The EntryPoint's reason, starting with its `AAxx` code.
        reason: String,
    },
    /// `FailedOpWithRevert` (EntryPoint v0.7 and later): validation code reverted.
    #[error("FailedOpWithRevert({op_index}, {reason:?}, {inner})")]
    FailedOpWithRevert {
        /// Position in the bundle.
        op_index: U256,
        /// The EntryPoint's reason, starting with its `AAxx` code.
        reason: String,
        /// Revert data of the account, factory or paymaster.
        inner: Bytes,
    },
    /// `handleOps` reverted with something else.
    #[error("handleOps reverted with {data}")]
    Reverted {
        /// ABI-encoded revert data.
        data: Bytes,
    },
    /// The bundle was mined, but there is no event for the operation.
    #[error("transaction {transaction} carries no UserOperationEvent")]
    NoEvent {
        /// The bundle's transaction.
        transaction: B256,
    },
    /// The operation never reached the EntryPoint.
    #[error(transparent)]
    Devkit(#[from] DevkitError),
}

impl HandleOpsError {
    /// The EntryPoint's reason (`AA24 signature error`, ...), if it gave one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::FailedOp { reason, .. } | Self::FailedOpWithRevert { reason, .. } => Some(reason),
            Self::Reverted { .. } | Self::NoEvent { .. } | Self::Devkit(_) => None,
        }
    }
}
