//! Biconomy's account v2: SimpleAccount's functions under names whose selectors have zero bytes.

use alloy_sol_types::sol;
use proto::Address;

use super::{Calls, InnerCall, NotUnderstood, decode, paired};

sol! {
    function execute_ncC(address dest, uint256 value, bytes func);
    function executeBatch_y6U(address[] dest, uint256[] value, bytes[] func);
}

pub(super) fn single(_: Address, call_data: &[u8]) -> Calls {
    let call: execute_ncCCall = decode(call_data)?;
    Ok(vec![InnerCall::call(call.dest, &call.func)])
}

pub(super) fn batch(_: Address, call_data: &[u8]) -> Calls {
    let batch: executeBatch_y6UCall = decode(call_data)?;
    if batch.value.len() != batch.dest.len() {
        return Err(NotUnderstood);
    }
    paired(&batch.dest, &batch.func)
}
