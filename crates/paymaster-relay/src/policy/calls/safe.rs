//! Safe with its 4337 module: one call, or a batch as a delegatecall to Safe's own
//! `MultiSendCallOnly`.

use alloy_primitives::{Address as Target, Bytes, address};
use alloy_sol_types::sol;
use proto::Address;

use super::{Calls, InnerCall, NotUnderstood, decode};

sol! {
    function executeUserOp(address to, uint256 value, bytes data, uint8 operation);
    function executeUserOpWithErrorString(address to, uint256 value, bytes data, uint8 operation);
    function multiSend(bytes transactions);
}

/// Safe's deployments of `MultiSendCallOnly` (safe-deployments): 1.3.0, 1.3.0 for EIP-155 chains,
/// 1.4.1, 1.5.0. Their addresses depend on their code (CREATE2), so they are this code on every
/// chain. It reverts at a delegatecall inside.
const MULTI_SEND_CALL_ONLY: [Target; 4] = [
    address!("40A2aCCbd92BCA938b02010E17A5b8929b49130D"),
    address!("A1dabEF33b3B82c7814B6D82A79e50F4AC44102B"),
    address!("9641d764fc13c8B624c04430C7356C1C7C8102e2"),
    address!("A83c336B20401Af773B6219BA5027174338D1836"),
];
const CALL: u8 = 0;
const DELEGATE: u8 = 1;

pub(super) fn execute(_: Address, call_data: &[u8]) -> Calls {
    let call: executeUserOpCall = decode(call_data)?;
    executed(call.to, &call.data, call.operation)
}

pub(super) fn execute_with_error_string(_: Address, call_data: &[u8]) -> Calls {
    let call: executeUserOpWithErrorStringCall = decode(call_data)?;
    executed(call.to, &call.data, call.operation)
}

fn executed(to: Target, data: &Bytes, operation: u8) -> Calls {
    match operation {
        CALL => Ok(vec![InnerCall::call(to, data)]),
        DELEGATE if MULTI_SEND_CALL_ONLY.contains(&to) => batch(data),
        DELEGATE => Ok(vec![InnerCall::delegate(to, data)]),
        _ => Err(NotUnderstood),
    }
}

/// Packed transactions: operation (1 byte), target (20), value (32), length of the data (32), data.
fn batch(data: &[u8]) -> Calls {
    let multiSendCall { transactions } = decode(data)?;
    let (mut calls, mut rest) = (Vec::new(), &transactions[..]);
    while let Some((operation, after)) = rest.split_first() {
        let (target, after) = after.split_first_chunk::<20>().ok_or(NotUnderstood)?;
        let (_, after) = after.split_at_checked(32).ok_or(NotUnderstood)?;
        let (length, after) = after.split_first_chunk::<32>().ok_or(NotUnderstood)?;
        let (zeros, length) = length.split_at(24);
        let length = length.iter().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
        let length = usize::try_from(length).map_err(|_| NotUnderstood)?;
        let (data, after) = after.split_at_checked(length).ok_or(NotUnderstood)?;
        if *operation != CALL || zeros.iter().any(|byte| *byte != 0) {
            return Err(NotUnderstood);
        }
        calls.push(InnerCall::call(Address(*target), data));
        rest = after;
    }
    Ok(calls)
}
