//! What the relay reads from the chain: a port, and its implementation over a node's JSON-RPC.

mod abi;
mod creation;
mod facts;
mod header;
mod mined;
mod nobody;
mod node;
mod nonces;
mod place;
mod rpc;
mod simulations;
mod time;
mod version;

use async_trait::async_trait;
use proto::{Address, Hash, Uint256, UserOpHash, UserOperation, Wei};
use thiserror::Error;

pub(crate) use nobody::operation_of_nobody;
pub use rpc::RpcChain;
pub(crate) use time::Now;
pub use time::{ChainTime, ClockError};

use crate::clients::Asker;
use crate::deployment::Deployment;

/// The chain, as far as a paymaster needs it.
#[async_trait]
pub trait EntryPointReader: Send + Sync {
    /// Everything that one operation is checked against; with a `signer`, also whether the
    /// paymaster admits it. An asker runs a few factories at once; without one, none is run.
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

    /// The latest block.
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::OtherChain`] where it is one of another chain.
    async fn latest_block(&self) -> Result<Block, ChainError>;

    /// The block of a number that the chain has reached.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn block(&self, number: u64) -> Result<Block, ChainError>;

    /// The hash of the block of a number; `None` where the node has no such block.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn hash_of(&self, number: u64) -> Result<Option<Hash>, ChainError>;

    /// The operations a paymaster paid for in these blocks, both ends included
    /// (`UserOperationEvent`).
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::LogsLag`] where the backend that answers has no block `to`.
    async fn mined(&self, deployment: &Deployment, from: u64, to: u64) -> Result<Vec<MinedOp>, ChainError>;

    /// The operations of an account in these blocks, both ends included (`UserOperationEvent`), no
    /// matter who paid for them.
    ///
    /// # Errors
    /// As [`Self::mined`].
    async fn mined_of(
        &self,
        entry_point: Address,
        sender: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<AccountOp>, ChainError>;

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

    /// Unix seconds from which on the owner can activate a key that is proposed (`signerOf`,
    /// `activationDelay`). `None` when the paymaster does not know the key, or it is active.
    ///
    /// # Errors
    /// [`ChainError`].
    async fn activatable_at(&self, deployment: &Deployment, signer: Address) -> Result<Option<u64>, ChainError>;

    /// Seconds that a window may span after its approval, as a paymaster contract has it
    /// (`maxWindow`).
    ///
    /// # Errors
    /// [`ChainError`].
    async fn max_window(&self, deployment: &Deployment) -> Result<u32, ChainError>;

    /// Whether an EntryPoint hashes operations as its configured version does (`getUserOpHash`).
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::Contract`] too where it knows no such function of that
    /// version.
    async fn is_of_version(&self, deployment: &Deployment) -> Result<bool, ChainError>;

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

/// What the chain says about an operation, its account and our paymaster. Nothing in it is older
/// than `block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The latest block.
    pub block: Block,
    /// Wei per gas. The base fee of that block; 0 on a chain that has none.
    pub base_fee: u128,
    /// The account's next nonce for the operation's key (`getNonce`): key 24 bytes, sequence 8.
    pub nonce: Uint256,
    /// What is at the sender's address.
    pub sender_code: SenderCode,
    /// What the operation's factory makes (`getSenderAddress`); `None` when it names no factory,
    /// calls it with nothing, the sender has code, or nobody asked for it to be run.
    pub creation: Option<Creation>,
    /// Our paymaster.
    pub paymaster: PaymasterState,
    /// Whether our paymaster admits the key that was asked about (`isActiveSigner`).
    pub signer_admitted: Option<bool>,
}

/// What is at an account's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderCode {
    /// Nothing.
    Absent,
    /// A delegation to a contract (EIP-7702).
    Delegation,
    /// A contract, which can delegate to none.
    Contract,
}

/// What a factory makes when it is called as the EntryPoint calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// An account at this address, or the one that is there already.
    Account(Address),
    /// Nothing: the factory reverts, runs out of gas, or has no code.
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

/// A paymaster on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymasterState {
    /// In its EntryPoint.
    pub deposit: Wei,
    /// Whether it refuses every operation.
    pub paused: bool,
}

/// An operation that was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinedOp {
    /// `getUserOpHash` of it.
    pub user_op_hash: UserOpHash,
    /// In which block.
    pub block: u64,
    /// What its paymaster paid.
    pub cost: Wei,
    /// Whether the account's call succeeded.
    pub succeeded: bool,
}

/// Which operation an account had mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountOp {
    /// The account.
    pub sender: Address,
    /// The operation's nonce.
    pub nonce: Uint256,
    /// Who paid for it; 0 for the account itself.
    pub paymaster: Address,
    /// `getUserOpHash` of it.
    pub user_op_hash: UserOpHash,
    /// In which block.
    pub block: u64,
}

/// The next nonces of accounts.
#[derive(Debug)]
pub struct Nonces {
    /// The block whose state was read.
    pub at: u64,
    /// In the order of the accounts; each may have failed on its own.
    pub next: Vec<Result<Uint256, ChainError>>,
}

/// The chain cannot answer. For the log and for operators; never with the node's address.
#[derive(Debug, Error)]
pub enum ChainError {
    /// The node does not, or not in a way that can be read.
    #[error("{detail}")]
    Node {
        /// How.
        detail: String,
    },
    /// The node does not answer at all. Told to operators when it begins and when it ends.
    #[error("{detail}")]
    Unreachable {
        /// How.
        detail: String,
    },
    /// The answer is longer than any that is read.
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
        /// How many were asked for.
        accounts: usize,
    },
    /// The backend that answers for the logs has fewer blocks than the one that told the latest.
    #[error(
        "the node's logs lag: what answers eth_getLogs has no block {missing}; nothing is settled or released until it has \
         the blocks"
    )]
    LogsLag {
        /// The lowest block that was asked for and that it does not have.
        missing: u64,
    },
    /// The latest block is far below what was read before, on the same chain.
    #[error(
        "the node's latest block is {latest}, and mined operations were read up to {read}: the node lags, or the chain was set \
         back; nothing is settled or released until it has those blocks"
    )]
    Lags {
        /// The node's.
        latest: u64,
        /// The block to read next.
        read: u64,
    },
    /// The node serves another chain than it is configured for.
    #[error("the node serves chain {served}, and is configured for chain {configured}")]
    OtherChain {
        /// The node's.
        served: u64,
        /// That of the settings.
        configured: u64,
    },
    /// The node's chain has another block of that number than the one that was noted.
    #[error(
        "block {number} has another hash than when it was read: nothing is settled or released until it has that one again, or \
         until the other has stayed for some rounds of settlement"
    )]
    OtherBlock {
        /// Which.
        number: u64,
    },
    /// The node told of a latest block, and has none of that number or a lower one.
    #[error("the node's latest block is {latest}, and it has no block {missing}")]
    NoSuchBlock {
        /// What it told.
        latest: u64,
        /// What it was asked for.
        missing: u64,
    },
    /// A factory was not run in time, which says nothing about the node.
    #[error("the factory {factory} was not run in time")]
    FactoryNotRun {
        /// The operation's.
        factory: Address,
    },
    /// A contract is not the one it should be.
    #[error("the contract at {contract} does not answer {function}: {detail}")]
    Contract {
        /// Which.
        contract: Address,
        /// What it was asked, as in Solidity.
        function: &'static str,
        /// What came back.
        detail: String,
    },
}

impl ChainError {
    pub(crate) fn node(detail: impl ToString) -> Self {
        Self::Node { detail: detail.to_string() }
    }
}
