//! SimpleAccount of every version and Simple7702Account; also what LightAccount, Thirdweb, Barz
//! (Trust), Solady's ERC4337 and Coinbase's account have in common with them.

use alloy_sol_types::sol;
use proto::Address;

use super::{Calls, InnerCall, NotUnderstood, decode, paired};

sol! {
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

pub(super) fn single(_: Address, call_data: &[u8]) -> Calls {
    let call: executeCall = decode(call_data)?;
    Ok(vec![InnerCall::call(call.dest, &call.func)])
}

pub(super) fn batch_v06(_: Address, call_data: &[u8]) -> Calls {
    let batch: BatchV06::executeBatchCall = decode(call_data)?;
    paired(&batch.dest, &batch.func)
}

pub(super) fn batch_v07(_: Address, call_data: &[u8]) -> Calls {
    let batch: BatchV07::executeBatchCall = decode(call_data)?;
    // An empty list means zero for each call; any other length makes the account revert.
    if !batch.value.is_empty() && batch.value.len() != batch.dest.len() {
        return Err(NotUnderstood);
    }
    paired(&batch.dest, &batch.func)
}

/// Also Kernel v2 and Coinbase's account, with other names of the struct.
pub(super) fn batch_v08(_: Address, call_data: &[u8]) -> Calls {
    let batch: BatchV08::executeBatchCall = decode(call_data)?;
    Ok(batch.calls.iter().map(|call| InnerCall::call(call.target, &call.data)).collect())
}
