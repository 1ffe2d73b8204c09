//! What the EntryPoint is certain to refuse of an operation, and paymaster gas that we do not sign.

use proto::{Address, Uint256};
use thiserror::Error;

/// An operation that is not sponsored as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OperationError {
    /// The operation reserves gas for a postOp, which our paymaster has none of.
    #[error("paymasterPostOpGasLimit must be 0x0: there is no postOp, and unused gas costs a penalty")]
    PostOpGasNotNeeded {
        /// Gas.
        given: u128,
    },
    /// The operation's paymaster gas is not within what we sign.
    #[error("paymasterVerificationGasLimit must be from {least} to {most}")]
    PaymasterGasOutOfRange {
        /// Gas.
        least: u128,
        /// Gas.
        most: u128,
        /// Gas.
        given: u128,
    },
    /// No validation passes without gas.
    #[error("verificationGasLimit is 0x0: the account's validation needs gas")]
    VerificationGasMissing,
    /// Bundlers take no operation that pays less than the base fee.
    #[error("maxFeePerGas is {given} wei, below the base fee of the latest block, {least} wei")]
    FeeTooLow {
        /// Wei per gas. The base fee.
        least: u128,
        /// Wei per gas. The operation's.
        given: u128,
    },
    /// The operation's nonce is not the account's next one.
    #[error("the operation's nonce is {given}, and the account's next one for that key is {expected}")]
    AccountNonceInvalid {
        /// What the EntryPoint expects.
        expected: Uint256,
        /// The operation's.
        given: Uint256,
    },
    /// A factory that is called with nothing makes no account (AA13).
    #[error("factory {factory} has no factoryData (initCode ends after the factory): it would make no account")]
    FactoryDataMissing {
        /// The operation's.
        factory: Address,
    },
    /// The sender has no code, and no factory makes it (AA20).
    #[error("the sender {sender} has no code on chain, and the operation names no factory that makes it")]
    AccountNotDeployed {
        /// The operation's.
        sender: Address,
    },
    /// The sender has code, and up to v0.8 the EntryPoint takes no factory then (AA10).
    #[error("the sender {sender} is deployed already: leave factory and factoryData (initCode) out")]
    AccountAlreadyDeployed {
        /// The operation's.
        sender: Address,
    },
    /// The sender of an EIP-7702 operation is a contract: its authorisation has no effect.
    #[error("the sender {sender} is a contract, which can't delegate: leave factory 0x7702 and eip7702Auth out")]
    SenderCannotDelegate {
        /// The operation's.
        sender: Address,
    },
    /// The factory reverts, or has no code (AA13).
    #[error("the factory {factory} makes no account when it is called with this data")]
    AccountCreationFailed {
        /// The operation's.
        factory: Address,
    },
    /// The factory takes too long, or too many others are being run.
    #[error("the factory {factory} was not run in time: ask again later")]
    FactoryNotRun {
        /// The operation's.
        factory: Address,
    },
    /// The factory makes another account (AA14).
    #[error("the factory makes the account {created}, and the operation's sender is {sender}")]
    SenderNotFromFactory {
        /// The operation's.
        sender: Address,
        /// What the factory makes.
        created: Address,
    },
}
