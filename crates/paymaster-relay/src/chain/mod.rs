//! Reading the chain: a port, and its implementation with a node's JSON-RPC.

mod abi;
mod account_code;
mod creation;
mod facts;
mod header;
mod left;
mod mined;
mod nobody;
mod node;
mod nonces;
mod price;
mod rpc;
mod simulations;
mod time;
mod tip;
mod version;

use std::collections::HashSet;

use async_trait::async_trait;
use proto::{Address, Hash, Uint256, UserOpHash, UserOperation, Wei};
use thiserror::Error;

pub(crate) use nobody::operation_of_nobody;
pub use price::{FeedAnswer, Price, PriceError};
pub use rpc::RpcChain;
pub(crate) use time::Now;
pub use time::{ChainTime, ClockError};

use crate::account_code::AccountCode;
use crate::clients::Asker;
use crate::deployment::Deployment;

/// The chain, limited to what a paymaster needs.
#[async_trait]
pub trait EntryPointReader: Send + Sync {
    /// Everything that one operation is checked against; with a `signer`, also whether the
    /// paymaster admits it. Each asker may run a few factories at once; without an asker, none is
    /// run.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn facts(
        &self,
        deployment: &Deployment,
        op: &UserOperation,
        signer: Option<Address>,
        asker: Option<&Asker>,
    ) -> Result<Facts, ChainError>;

    /// The tip that the node suggests, in wei per gas (`eth_maxPriorityFeePerGas`): asked once for
    /// the block with that number.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn suggested_tip(&self, at: u64) -> Result<u128, ChainError>;

    /// The code that runs, or may run, as the operation's sender, whose authorisation beside the
    /// operation (EIP-7702) names the delegate. `proxies` are hashes of ERC-1967 proxies besides
    /// the known ones.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn account_codes(
        &self,
        deployment: &Deployment,
        op: (&UserOperation, Option<Address>),
        proxies: &HashSet<Hash>,
        asker: &Asker,
    ) -> Result<Vec<AccountCode>, ChainError>;

    /// The latest block.
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::OtherChain`] where it is one of another chain.
    async fn latest_block(&self) -> Result<Block, ChainError>;

    /// The block with a number that the chain has reached.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn block(&self, number: u64) -> Result<Block, ChainError>;

    /// The hash of the block with that number; `None` if the node has no such block.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn hash_of(&self, number: u64) -> Result<Option<Hash>, ChainError>;

    /// The operations that a paymaster paid for in these blocks, both ends included
    /// (`UserOperationEvent`).
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::LogsLag`] if the answering backend does not have block `to`.
    async fn mined(&self, deployment: &Deployment, from: u64, to: u64) -> Result<Vec<AccountOp>, ChainError>;

    /// The operations of an account in these blocks, both ends included (`UserOperationEvent`), no
    /// matter who paid for them.
    ///
    /// # Errors
    /// Those of [`Self::mined`].
    async fn mined_of(
        &self,
        entry_point: Address,
        sender: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<AccountOp>, ChainError>;

    /// The other changes of a paymaster's deposit in these blocks, both ends included (`Deposited`,
    /// `Withdrawn`).
    ///
    /// # Errors
    /// Those of [`Self::mined`].
    async fn deposit_events(
        &self,
        deployment: &Deployment,
        from: u64,
        to: u64,
    ) -> Result<Vec<DepositEvent>, ChainError>;

    /// A paymaster's deposit at the end of that block (`balanceOf`).
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::Node`] if the node no longer has the state of that block.
    async fn deposit_at(&self, deployment: &Deployment, block: u64) -> Result<Wei, ChainError>;

    /// For each of these senders and nonces, the next nonce of the same key (`getNonce`) at that
    /// block, or at the latest one if the node only keeps its state.
    ///
    /// # Errors
    /// [`ChainError`] if the node does not answer the batch.
    async fn next_nonces(
        &self,
        entry_point: Address,
        accounts: &[(Address, Uint256)],
        at: u64,
    ) -> Result<Nonces, ChainError>;

    /// Whether a paymaster admits a key's signatures (`isActiveSigner`).
    ///
    /// # Errors
    /// [`ChainError`].
    async fn admits(&self, deployment: &Deployment, signer: Address) -> Result<bool, ChainError>;

    /// Unix seconds from which the owner can activate a proposed key (`signerOf`,
    /// `activationDelay`). `None` if the paymaster does not know the key, or it is active.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn activatable_at(&self, deployment: &Deployment, signer: Address) -> Result<Option<u64>, ChainError>;

    /// Seconds that a window may span after its approval, according to the paymaster contract
    /// (`maxWindow`).
    ///
    /// # Errors
    /// [`ChainError`].
    async fn max_window(&self, deployment: &Deployment) -> Result<u32, ChainError>;

    /// Whether an EntryPoint hashes operations like its configured version (`getUserOpHash`).
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::Contract`] also if it has no such function of that version.
    async fn is_of_version(&self, deployment: &Deployment) -> Result<bool, ChainError>;

    /// The answer of a price feed on the chain (`latestRoundData`, `decimals`).
    ///
    /// # Errors
    /// [`ChainError`].
    async fn feed_answer(&self, feed: Address) -> Result<FeedAnswer, ChainError>;

    /// EIP-155 chain id of the node.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn chain_id(&self) -> Result<u64, ChainError>;

    /// Whether there is a contract at an address (`eth_getCode`).
    ///
    /// # Errors
    /// [`ChainError`].
    async fn has_code(&self, address: Address) -> Result<bool, ChainError>;
}

/// The chain's state for an operation, its account and our paymaster. Nothing in it is older than
/// `block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The latest block.
    pub block: Block,
    /// Wei per gas: the base fee of that block; 0 if the chain has none.
    pub base_fee: u128,
    /// The account's next nonce for the operation's key (`getNonce`): key 24 bytes, sequence 8.
    pub nonce: Uint256,
    /// The code at the sender's address.
    pub sender_code: SenderCode,
    /// The result of the operation's factory (`getSenderAddress`); `None` if it names no factory,
    /// calls it without data, the sender has code, or the simulation was not requested.
    pub creation: Option<Creation>,
    /// Our paymaster.
    pub paymaster: PaymasterState,
    /// Whether our paymaster admits the requested key (`isActiveSigner`).
    pub signer_admitted: Option<bool>,
}

/// The code at an account's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderCode {
    /// No code.
    Absent,
    /// A delegation (EIP-7702).
    Delegation {
        /// The contract whose code it runs.
        to: Address,
    },
    /// A contract, which cannot delegate.
    Contract,
}

/// The result of a factory when called like the EntryPoint calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// An account at this address, new or existing.
    Account(Address),
    /// No account: the factory reverts, runs out of gas, or has no code.
    Nothing,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub number: u64,
    /// Unix seconds.
    pub timestamp: u64,
}

/// The state of a paymaster on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymasterState {
    /// Its deposit in its EntryPoint.
    pub deposit: Wei,
    /// Whether it refuses every operation.
    pub paused: bool,
}

/// A mined operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinedOp {
    /// Its `getUserOpHash`.
    pub user_op_hash: UserOpHash,
    /// The block.
    pub block: u64,
    /// The position of its log in the block.
    pub log_index: u64,
    /// The transaction.
    pub transaction: Hash,
    /// The amount its paymaster paid.
    pub cost: Wei,
    /// The gas it paid for.
    pub gas_used: u64,
    /// Whether the account's call succeeded.
    pub succeeded: bool,
}

/// A mined operation of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountOp {
    /// The account.
    pub sender: Address,
    /// The operation's nonce.
    pub nonce: Uint256,
    /// The payer; 0 for the account itself.
    pub paymaster: Address,
    /// What was mined.
    pub mined: MinedOp,
}

/// A change of a paymaster's deposit that no operation made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositEvent {
    /// The block.
    pub block: u64,
    /// The position of its log in the block.
    pub log_index: u64,
    /// The transaction.
    pub transaction: Hash,
    /// What changed.
    pub change: DepositChange,
}

/// See [`DepositEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepositChange {
    /// Somebody deposited for it (`Deposited`).
    Deposited {
        /// The whole deposit afterwards.
        total: Wei,
    },
    /// Its owner withdrew (`Withdrawn`).
    Withdrawn {
        /// What was withdrawn.
        amount: Wei,
    },
}

/// The next nonces of accounts.
#[derive(Debug)]
pub struct Nonces {
    /// The block whose state was read.
    pub at: u64,
    /// In the order of the accounts; each may have failed on its own.
    pub next: Vec<Result<Uint256, ChainError>>,
}

/// The chain cannot answer. For the log and for operators; never contains the node's URL.
#[derive(Debug, Error)]
pub enum ChainError {
    /// The node returned an error, or an answer that cannot be parsed.
    #[error("{detail}")]
    Node {
        /// The error.
        detail: String,
    },
    /// The node limits how often it is queried: HTTP status 429, or an error that says so.
    #[error("{detail}")]
    RateLimited {
        /// The error.
        detail: String,
    },
    /// The node does not answer at all. Logged when that begins and when it ends.
    #[error("{detail}")]
    Unreachable {
        /// The error.
        detail: String,
    },
    /// The answer exceeds the size limit.
    #[error("the node's answer is over the limit of {limit} bytes")]
    AnswerTooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The logs of several blocks were not read in time, which says nothing about the node.
    #[error("the logs of the blocks {from} to {to} were not read in time")]
    LogsNotRead {
        /// The first block.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// The nonces of several accounts were not read in time, which says nothing about the node.
    #[error("the nonces of {accounts} accounts were not read in time")]
    NoncesNotRead {
        /// The number of accounts.
        accounts: usize,
    },
    /// The backend that answers log queries has fewer blocks than the one that reported the latest.
    #[error(
        "the node's logs lag: the backend that answers eth_getLogs has no block {missing}; nothing is settled or released until it has \
         the blocks"
    )]
    LogsLag {
        /// The lowest requested block that it does not have.
        missing: u64,
    },
    /// The latest block is far below what was read before, on the same chain.
    #[error(
        "the node's latest block is {latest}, and mined operations were read up to {read}: the node lags, or the chain was \
         reset; nothing is settled or released until it has those blocks"
    )]
    Lags {
        /// The node's latest block.
        latest: u64,
        /// The next block to read.
        read: u64,
    },
    /// The node serves a different chain than the one configured.
    #[error("the node serves chain {served} but is configured for chain {configured}")]
    OtherChain {
        /// The chain ID the node reports.
        served: u64,
        /// The configured chain ID.
        configured: u64,
    },
    /// The node's chain has another block with that number than the one recorded.
    #[error(
        "block {number} has another hash than when it was read: nothing is settled or released until it has that one again, or \
         until the other has stayed for some rounds of settlement"
    )]
    OtherBlock {
        /// The block number.
        number: u64,
    },
    /// The node reported a latest block, but does not have the block with that number or a lower
    /// one.
    #[error("the node's latest block is {latest}, and it has no block {missing}")]
    NoSuchBlock {
        /// The latest block it reported.
        latest: u64,
        /// The requested block.
        missing: u64,
    },
    /// A factory was not run in time, which says nothing about the node.
    #[error("the factory {factory} was not run in time")]
    FactoryNotRun {
        /// The operation's factory.
        factory: Address,
    },
    /// A contract is not the expected one.
    #[error("the contract at {contract} does not answer {function}: {detail}")]
    Contract {
        /// Its address.
        contract: Address,
        /// The function called, in Solidity notation.
        function: &'static str,
        /// The answer.
        detail: String,
    },
}

impl ChainError {
    pub(crate) fn node(detail: impl ToString) -> Self {
        Self::Node { detail: detail.to_string() }
    }
}
