//! The calls inside an operation's `callData`, in the encodings of common smart accounts: one row
//! of `ENCODINGS` for each function, and a file for each family of accounts.
//!
//! An unknown account may do anything with its `callData`, so a target list is only meaningful
//! together with accounts whose code is known (`rules/account_code.rs`).

pub mod biconomy;
mod canonical;
pub mod erc7579;
mod functions;
pub mod kernel;
mod nested;
pub mod safe;
pub mod simple_account;

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use proto::Address;

use canonical::decode;
pub(in crate::policy) use functions::{is_of_account, is_of_other_account};

/// `IAccountExecute.executeUserOp` (ERC-4337, EntryPoint v0.7 and later). ERC-7579 accounts execute
/// the rest of the `callData` as if the EntryPoint had called them with it.
const EXECUTE_USER_OP: [u8; 4] = [0x8d, 0xd7, 0x71, 0x2f];

/// One call an account makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerCall {
    /// The contract called.
    pub target: Address,
    /// Its call data.
    pub data: Bytes,
    /// In whose name its code runs.
    pub kind: Kind,
}

/// The kind of an inner call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `CALL` or `STATICCALL`: the target's code runs on the target's state.
    Call,
    /// `DELEGATECALL`: the target's code runs on the account's state, and may do anything with it.
    Delegate,
}

impl InnerCall {
    fn call(target: impl Into<Address>, data: &[u8]) -> Self {
        Self { target: target.into(), data: Bytes::copy_from_slice(data), kind: Kind::Call }
    }

    fn delegate(target: impl Into<Address>, data: &[u8]) -> Self {
        Self { kind: Kind::Delegate, ..Self::call(target, data) }
    }

    /// The function selector; `None` for less than four bytes, which is a plain transfer or a
    /// fallback.
    #[must_use]
    pub fn selector(&self) -> Option<[u8; 4]> {
        self.data.first_chunk().copied()
    }
}

/// The `callData` is in none of the encodings, or not canonical, or the account would revert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUnderstood;

type Calls = Result<Vec<InnerCall>, NotUnderstood>;

/// Reads the whole `callData` of the given sender.
type Read = fn(Address, &[u8]) -> Calls;

/// Every function of an account that executes calls, by selector.
const ENCODINGS: [([u8; 4], Read); 11] = [
    (simple_account::executeCall::SELECTOR, simple_account::single),
    (simple_account::BatchV06::executeBatchCall::SELECTOR, simple_account::batch_v06),
    (simple_account::BatchV07::executeBatchCall::SELECTOR, simple_account::batch_v07),
    (simple_account::BatchV08::executeBatchCall::SELECTOR, simple_account::batch_v08),
    (kernel::executeCall::SELECTOR, kernel::single),
    (kernel::executeDelegateCallCall::SELECTOR, kernel::delegate),
    (erc7579::executeCall::SELECTOR, erc7579::execute),
    (safe::executeUserOpCall::SELECTOR, safe::execute),
    (safe::executeUserOpWithErrorStringCall::SELECTOR, safe::execute_with_error_string),
    (biconomy::execute_ncCCall::SELECTOR, biconomy::single),
    (biconomy::executeBatch_y6UCall::SELECTOR, biconomy::batch),
];

/// Every call, in order, each followed by the calls nested in it. Empty `callData` makes none: the
/// EntryPoint then does not call the account.
///
/// # Errors
/// [`NotUnderstood`]; there is no guessing.
pub fn inner_calls(sender: Address, call_data: &[u8]) -> Calls {
    if call_data.is_empty() {
        return Ok(Vec::new());
    }
    let executed = match call_data.strip_prefix(&EXECUTE_USER_OP) {
        // Without a function to execute, the account reverts.
        Some([]) => return Err(NotUnderstood),
        Some(executed) => executed,
        None => call_data,
    };
    nested::followed(sender, executed_calls(sender, executed).ok_or(NotUnderstood)??)
}

/// The calls that the account makes if it is called with that; `None` if its function is not one of
/// [`ENCODINGS`].
fn executed_calls(sender: Address, call_data: &[u8]) -> Option<Calls> {
    let selector = call_data.first_chunk()?;
    let (_, read) = ENCODINGS.iter().find(|(known, _)| known == selector)?;
    Some(read(sender, call_data))
}

fn paired(targets: &[alloy_primitives::Address], data: &[Bytes]) -> Calls {
    // "wrong array lengths": the account reverts.
    if targets.len() != data.len() {
        return Err(NotUnderstood);
    }
    Ok(targets.iter().zip(data).map(|(target, data)| InnerCall::call(*target, data)).collect())
}

#[cfg(test)]
mod tests;
