//! The code that runs when the EntryPoint calls an account: how it is reached from the account's
//! address, and which code is known to make the calls of its `callData` and no other.

mod form;
mod known;

use alloy_primitives::{KECCAK256_EMPTY, keccak256};
use proto::{Address, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use form::Form;
pub(crate) use known::{IMPLEMENTATIONS, Identity};

/// Code at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeAt {
    /// The address.
    pub address: Address,
    /// Keccak-256 of its runtime code.
    pub hash: Hash,
}

impl CodeAt {
    pub(crate) fn of(address: Address, code: &[u8]) -> Self {
        Self { address, hash: Hash(keccak256(code).0) }
    }

    /// Whether there is no code.
    pub(crate) fn is_empty(&self) -> bool {
        self.hash.0 == KECCAK256_EMPTY.0
    }
}

/// What an account runs, or may run, when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountCode {
    /// The code at its own address.
    Own(CodeAt),
    /// The code that it delegates to (EIP-7702).
    Delegate(CodeAt),
    /// The implementation behind a proxy of a listed form (ERC-1167, ERC-1967).
    Implementation(CodeAt),
    /// Behind a Safe's proxy.
    Safe {
        /// Its implementation.
        singleton: CodeAt,
        /// What runs the functions that the singleton does not have.
        fallback_handler: CodeAt,
    },
    /// The account is not deployed, and the node does not say what its factory would leave.
    Unknown,
}

/// The functions by which code executes calls. An encoding that it does not have is not understood:
/// the account would run a fallback instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallFunctions {
    /// `execute(address,uint256,bytes)`, `executeBatch(address[],bytes[])`.
    SimpleAccountV06,
    /// `execute(address,uint256,bytes)`, `executeBatch(address[],uint256[],bytes[])`.
    SimpleAccountV07,
    /// `execute(address,uint256,bytes)`, `executeBatch((address,uint256,bytes)[])`: also of
    /// Simple7702Account and Coinbase's account.
    SimpleAccountV08,
    /// `execute(address,uint256,bytes)` and both forms of `executeBatch` that have lists.
    LightAccount,
    /// Kernel v2: `execute(address,uint256,bytes,uint8)`, `executeBatch`, `executeDelegateCall`.
    KernelV2,
    /// `execute(bytes32,bytes)` of ERC-7579 and ERC-7821.
    Erc7579,
    /// `execute_ncC`, `executeBatch_y6U`.
    BiconomyV2,
    /// A Safe's singleton: its calls are made by its fallback handler, which has to be a
    /// `safe_module`.
    Safe,
    /// A 4337 module of Safe: `executeUserOp`, `executeUserOpWithErrorString`.
    SafeModule,
}
