//! Kernel v2: `execute` with an operation, as in a Safe. Its batch is that of SimpleAccount v0.8;
//! Kernel v3 is an ERC-7579 account.

use alloy_sol_types::sol;
use proto::Address;

use super::{Calls, InnerCall, NotUnderstood, decode};

sol! {
    function execute(address to, uint256 value, bytes data, uint8 operation);
    function executeDelegateCall(address to, bytes data);
}

pub(super) fn single(_: Address, call_data: &[u8]) -> Calls {
    let call: executeCall = decode(call_data)?;
    match call.operation {
        0 => Ok(vec![InnerCall::call(call.to, &call.data)]),
        1 => Ok(vec![InnerCall::delegate(call.to, &call.data)]),
        _ => Err(NotUnderstood),
    }
}

pub(super) fn delegate(_: Address, call_data: &[u8]) -> Calls {
    let call: executeDelegateCallCall = decode(call_data)?;
    Ok(vec![InnerCall::delegate(call.to, &call.data)])
}
