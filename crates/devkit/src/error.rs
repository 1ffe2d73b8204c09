//! What can go wrong in the devkit.

use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::transport::TransportError;
use thiserror::Error;

use crate::user_operation::WireError;

/// A step of the devkit that failed.
#[derive(Debug, Error)]
pub enum DevkitError {
    /// A tool or a compiled contract is not installed.
    #[error("{} is missing: run scripts/node-tools", path.display())]
    ToolMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A compiled contract could not be read.
    #[error("{} is not a compiled contract: {detail}", path.display())]
    BadArtifact {
        /// The artifact's file.
        path: PathBuf,
        /// What was wrong with it.
        detail: String,
    },
    /// A compiled contract lacks functions that its source has.
    #[error("{} is not of the present source: run scripts/node-tools", path.display())]
    ArtifactOutdated {
        /// The artifact's file.
        path: PathBuf,
    },
    /// anvil could not be started, or stopped before it was ready.
    #[error("anvil did not start: {detail}")]
    AnvilDidNotStart {
        /// The operating system's or anvil's own words.
        detail: String,
    },
    /// redis-server could not be started, or does not answer.
    #[error("redis-server did not start: {detail}")]
    RedisDidNotStart {
        /// What was seen of it.
        detail: String,
    },
    /// super-relay could not be started, or stopped before it was ready.
    #[error("super-relay did not start: {detail}")]
    NodeDidNotStart {
        /// The operating system's words, or the end of its log.
        detail: String,
    },
    /// No key could be made: the system has no randomness.
    #[error("no key could be made")]
    NoKey,
    /// A version other than those of [`crate::EntryPointVersion`].
    #[error("no EntryPoint version {given:?}: use 0.6, 0.7, 0.8 or 0.9")]
    UnknownEntryPointVersion {
        /// What was asked for.
        given: String,
    },
    /// The version cannot do what was asked.
    #[error("EntryPoint v{version} has no {feature}")]
    NotInThisVersion {
        /// The version asked.
        version: crate::EntryPointVersion,
        /// What it lacks.
        feature: &'static str,
    },
    /// A deployment landed elsewhere than its salt promises: the bytecode is not the published one.
    #[error("{contract} landed at {actual}, not at {expected}")]
    WrongAddress {
        /// The contract deployed.
        contract: &'static str,
        /// Its published address.
        expected: Address,
        /// Where it would be.
        actual: Address,
    },
    /// A transaction left no code where a contract was expected.
    #[error("no contract came out of transaction {transaction}")]
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
        /// How long was waited.
        seconds: u64,
    },
    /// A contract answered with bytes of another shape.
    #[error("a contract's answer could not be decoded")]
    BadAnswer(#[from] alloy_sol_types::Error),
    /// The node could not be reached, or refused the request.
    #[error("the node refused: {0}")]
    Rpc(#[from] TransportError),
    /// The user operation is not of the shape its EntryPoint version has.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Why an operation did not make it through `handleOps`.
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
    /// The bundle was mined, but no event tells of the operation.
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
    /// The EntryPoint's reason (`AA24 signature error`, ...), when it gave one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::FailedOp { reason, .. } | Self::FailedOpWithRevert { reason, .. } => Some(reason),
            Self::Reverted { .. } | Self::NoEvent { .. } | Self::Devkit(_) => None,
        }
    }
}
