//! The calls inside an operation's `callData`, as SimpleAccount and Simple7702Account execute them.
//!
//! An unknown account may do anything with its `callData`, so a target list is only meaningful
//! together with accounts of these kinds; a sender list restricts the accounts.

use alloy_sol_types::{SolCall, sol};
use proto::Address;

sol! {
    /// SimpleAccount of every version, Simple7702Account.
    function execute(address dest, uint256 value, bytes func);

    interface BatchV06 {
        function executeBatch(address[] dest, bytes[] func);
    }

    interface BatchV07 {
        function executeBatch(address[] dest, uint256[] value, bytes[] func);
    }

    interface BatchV08 {
        struct Call {
            address target;
            uint256 value;
            bytes data;
        }
        function executeBatch(Call[] calls);
    }
}

/// One call an account makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerCall {
    /// The contract called.
    pub target: Address,
    /// The function selector; `None` for less than four bytes, which is a plain transfer or a
    /// fallback.
    pub selector: Option<[u8; 4]>,
}

/// The `callData` is in none of the encodings above, or not canonical, or the account would revert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUnderstood;

/// Every call, in order. Empty `callData` makes none: the EntryPoint then does not call the
/// account.
///
/// # Errors
/// [`NotUnderstood`]; there is no guessing.
pub fn inner_calls(call_data: &[u8]) -> Result<Vec<InnerCall>, NotUnderstood> {
    let Some((selector, _)) = call_data.split_first_chunk() else {
        return if call_data.is_empty() { Ok(Vec::new()) } else { Err(NotUnderstood) };
    };
    match *selector {
        executeCall::SELECTOR => {
            let call: executeCall = decode(call_data)?;
            Ok(vec![inner_call(call.dest, &call.func)])
        }
        BatchV06::executeBatchCall::SELECTOR => {
            let batch: BatchV06::executeBatchCall = decode(call_data)?;
            paired(&batch.dest, &batch.func)
        }
        BatchV07::executeBatchCall::SELECTOR => {
            let batch: BatchV07::executeBatchCall = decode(call_data)?;
            // An empty list means zero for each call; any other length makes the account revert.
            if !batch.value.is_empty() && batch.value.len() != batch.dest.len() {
                return Err(NotUnderstood);
            }
            paired(&batch.dest, &batch.func)
        }
        BatchV08::executeBatchCall::SELECTOR => {
            let batch: BatchV08::executeBatchCall = decode(call_data)?;
            Ok(batch.calls.iter().map(|call| inner_call(call.target, &call.data)).collect())
        }
        _ => Err(NotUnderstood),
    }
}

/// Decodes, and encodes again: only the canonical encoding is unchanged, so that no other parser
/// can read the bytes differently.
fn decode<C: SolCall>(call_data: &[u8]) -> Result<C, NotUnderstood> {
    let call = C::abi_decode_validate(call_data).map_err(|_| NotUnderstood)?;
    if call.abi_encode() == call_data { Ok(call) } else { Err(NotUnderstood) }
}

fn paired(
    targets: &[alloy_primitives::Address],
    data: &[alloy_primitives::Bytes],
) -> Result<Vec<InnerCall>, NotUnderstood> {
    // "wrong array lengths": the account reverts.
    if targets.len() != data.len() {
        return Err(NotUnderstood);
    }
    Ok(targets.iter().zip(data).map(|(target, data)| inner_call(*target, data)).collect())
}

fn inner_call(target: alloy_primitives::Address, data: &[u8]) -> InnerCall {
    InnerCall { target: target.into(), selector: data.first_chunk().copied() }
}
