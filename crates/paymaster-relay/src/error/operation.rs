//! Operations that the EntryPoint would certainly refuse, and paymaster gas that we do not sign.

use proto::{Address, Uint256};
use thiserror::Error;

/// An operation that is not sponsored in this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OperationError {
    /// The operation reserves gas for a postOp, which our paymaster does not have.
    #[error("paymasterPostOpGasLimit must be 0x0: there is no postOp, and unused gas costs a penalty")]
    PostOpGasNotNeeded {
        /// Gas.
        given: u128,
    },
    /// The operation's paymaster gas is outside the range that we sign.
    #[error("paymasterVerificationGasLimit must be from {least} to {most}")]
    PaymasterGasOutOfRange {
        /// Gas.
        least: u128,
        /// Gas.
        most: u128,
        /// Gas.
        given: u128,
    },
    /// No validation succeeds without gas.
    #[error("verificationGasLimit is 0x0: the account's validation needs gas")]
    VerificationGasMissing,
    /// Bundlers accept no operation that pays less than the base fee.
    #[error("maxFeePerGas is {given} wei, below the base fee of the latest block, {least} wei")]
    FeeTooLow {
        /// The base fee, in wei per gas.
        least: u128,
        /// The operation's maxFeePerGas, in wei per gas.
        given: u128,
    },
    /// The operation's nonce is not the account's next one.
    #[error("the operation's nonce is {given}, and the account's next one for that key is {expected}")]
    AccountNonceInvalid {
        /// The nonce that the EntryPoint expects.
        expected: Uint256,
        /// The operation's nonce.
        given: Uint256,
    },
    /// A factory that is called without data creates no account (AA13).
    #[error("factory {factory} has no factoryData (initCode ends after the factory): it would create no account")]
    FactoryDataMissing {
        /// The operation's factory.
        factory: Address,
    },
    /// The sender has no code, and no factory creates it (AA20).
    #[error("the sender {sender} has no code on chain, and the operation names no factory that creates it")]
    AccountNotDeployed {
        /// The operation's sender.
        sender: Address,
    },
    /// The sender has code; up to v0.8 the EntryPoint then accepts no factory (AA10).
    #[error("the sender {sender} is deployed already: leave factory and factoryData (initCode) out")]
    AccountAlreadyDeployed {
        /// The operation's sender.
        sender: Address,
    },
    /// The sender is a contract: an EIP-7702 authorisation for it has no effect.
    #[error("the sender {sender} is a contract, which cannot delegate: leave factory 0x7702 and eip7702Auth out")]
    SenderCannotDelegate {
        /// The operation's sender.
        sender: Address,
    },
    /// The factory reverts, or has no code (AA13).
    #[error("the factory {factory} creates no account when called with this data and verificationGasLimit")]
    AccountCreationFailed {
        /// The operation's factory.
        factory: Address,
    },
    /// The factory takes too long, or too many others are running.
    #[error("the factory {factory} was not run in time: retry later")]
    FactoryNotRun {
        /// The operation's factory.
        factory: Address,
    },
    /// The factory creates another account (AA14).
    #[error("the factory creates the account {created}, but the operation's sender is {sender}")]
    SenderNotFromFactory {
        /// The operation's sender.
        sender: Address,
        /// The account that the factory creates.
        created: Address,
    },
}
