//! Why a transaction for the paymaster contract was not sent, or is not known to be mined.

use alloy_primitives::{Address, B256, U256};
use thiserror::Error;

use crate::local_key::KeyFileError;

/// Nothing was sent, except with [`ContractsError::NotMined`], [`ContractsError::Reverted`] and
/// [`ContractsError::Unfinished`].
#[derive(Debug, Error)]
pub enum ContractsError {
    /// A key or passphrase.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Nobody signs.
    #[error("no key: name its file with --key-file, or, for a dry run, the sender's address with --from")]
    KeyMissing,
    /// The plan was not confirmed.
    #[error("nothing was sent: repeat the command with --yes to send what is shown above")]
    NotConfirmed,
    /// Another chain.
    #[error("the node is of chain {served}, not {expected} (--chain-id)")]
    WrongChain {
        /// As the node says.
        served: u64,
        /// As on the command line.
        expected: u64,
    },
    /// The node does not answer, or refuses.
    #[error("the node: {method}: {problem}")]
    Node {
        /// The method.
        method: &'static str,
        /// The problem.
        problem: String,
    },
    /// Nothing is deployed there.
    #[error("no {what} at {address} on this chain")]
    NoContract {
        /// What was expected.
        what: &'static str,
        /// Where.
        address: Address,
    },
    /// Something else is deployed there.
    #[error("{0} is not one of our paymaster contracts")]
    NotPaymaster(Address),
    /// The contracts were not built before the program.
    #[error(
        "this program was built without the paymaster contracts: run scripts/node-tools, which builds them, then build \
         the program again"
    )]
    NoCode,
    /// A call that reverts, found before it is sent.
    #[error("the transaction would revert: {0}")]
    WouldRevert(String),
    /// Not enough to pay for it.
    #[error("{from} has {balance} wei, and needs at least {needed} wei for this transaction")]
    BalanceTooLow {
        /// The sender.
        from: Address,
        /// Wei.
        balance: U256,
        /// Wei: the value sent, and the gas if it is known.
        needed: U256,
    },
    /// What the node says about gas and fees, over the limit.
    #[error(
        "the gas may cost {cost} wei ({gas} gas at {fee} wei), over the limit of {most} wei: if that is right, raise \
         --max-gas-cost"
    )]
    TooExpensive {
        /// Wei.
        cost: U256,
        /// Wei.
        most: U256,
        /// The gas limit.
        gas: u64,
        /// `maxFeePerGas`.
        fee: u128,
    },
    /// The sender's transactions before this one.
    #[error(
        "{from} has {pending} transactions that are not mined yet, from nonce {nonce} on, which may do the same: wait, \
         or take the place of the first with --replace and higher fees"
    )]
    Pending {
        /// The sender.
        from: Address,
        /// Of the first.
        nonce: u64,
        /// Their number.
        pending: u64,
    },
    /// The activation delay.
    #[error("{signer} is proposed, and can be activated in {seconds} s, from {at} on (Unix seconds)")]
    TooEarly {
        /// The signer.
        signer: Address,
        /// Unix seconds.
        at: u64,
        /// From the latest block on.
        seconds: u64,
    },
    /// The contract's record is about another TEE or other code.
    #[error(
        "{signer} is known with measurement {measurement} and TEE id {tee_id}: if that is wrong, remove-signer first"
    )]
    OtherRecord {
        /// The signer.
        signer: Address,
        /// Recorded.
        measurement: B256,
        /// Recorded.
        tee_id: B256,
    },
    /// Sent, and not seen in a block.
    #[error(
        "transaction {hash} is not known to be mined after {seconds} s{}: it may still be, so look before you repeat the command",
        problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default()
    )]
    NotMined {
        /// The transaction.
        hash: B256,
        /// Seconds waited.
        seconds: u64,
        /// The last problem of sending or asking.
        problem: Option<String>,
    },
    /// Mined, without effect.
    #[error("transaction {0} was mined and reverted")]
    Reverted(B256),
    /// A transaction was mined; what follows failed.
    #[error("the transactions above were mined, and then: {0}")]
    Unfinished(Box<ContractsError>),
}

impl ContractsError {
    /// The exit code: 1 if nothing was sent, 3 if it is not known whether it was mined, 4 if it was
    /// and reverted, 5 if it was and something else failed afterwards.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unfinished(problem) => match problem.exit_code() {
                1 => 5,
                about_the_last => about_the_last,
            },
            Self::NotMined { .. } => 3,
            Self::Reverted(_) => 4,
            _ => 1,
        }
    }
}
