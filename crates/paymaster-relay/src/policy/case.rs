//! The input of a policy.

use proto::{AccountId, Address, EntryPointVersion, UserOperation, Wei};

use super::standing::Standing;
use crate::account_code::AccountCode;
use crate::clients::ApiKeyId;

/// An operation and the known facts about it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The account.
    pub account_id: &'a AccountId,
    /// The account's standing; `None` if it is not listed.
    pub standing: Option<Standing>,
    /// The operation.
    pub op: &'a UserOperation,
    /// A contract whose code the sender runs or may run (EIP-7702), and that the operation's hash
    /// does not cover.
    pub delegate: Option<Address>,
    /// The code that the sender runs, or may run; `None` if it is not read yet.
    pub codes: Option<&'a [AccountCode]>,
    /// The worst-case cost ([`proto::worst_case_cost`]).
    pub cost: Wei,
    /// Whether a passkey of the account approved it, or is about to.
    pub proven: bool,
    /// The version of its EntryPoint.
    pub version: EntryPointVersion,
    /// The header `Origin` of the request.
    pub origin: Option<&'a str>,
    /// The API key of the request.
    pub api_key: Option<&'a ApiKeyId>,
    /// Unix seconds: the later of host and chain.
    pub now: u64,
    /// Unix seconds: the end of its window, or the earliest possible end of a window that is not
    /// fixed yet.
    pub until: u64,
    /// The chain's current price; `None` until the chain was asked.
    pub market: Option<Market>,
}

/// The price of gas on a chain, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// The base fee of the latest block.
    pub base_fee: u128,
    /// The tip that the node suggests.
    pub tip: u128,
}
