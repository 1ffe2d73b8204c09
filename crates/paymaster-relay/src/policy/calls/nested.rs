//! Calls inside calls: `multicall`, which a contract makes to itself, Multicall3's functions, which
//! call other contracts, and an account's call to itself. A list of functions would mean nothing if
//! these were not followed.

use alloy_primitives::Bytes;
use alloy_sol_types::{SolCall, sol};

use proto::Address;

use super::{Calls, InnerCall, Kind, NotUnderstood, decode, executed_calls};

sol! {
    /// Uniswap, OpenZeppelin and many others.
    function multicall(bytes[] data);

    interface WithDeadline {
        function multicall(uint256 deadline, bytes[] data);
    }

    interface WithPreviousBlock {
        function multicall(bytes32 previousBlockhash, bytes[] data);
    }

    interface Multicall3 {
        struct Call {
            address target;
            bytes callData;
        }
        struct Call3 {
            address target;
            bool allowFailure;
            bytes callData;
        }
        struct Call3Value {
            address target;
            bool allowFailure;
            uint256 value;
            bytes callData;
        }
        function aggregate(Call[] calls);
        function blockAndAggregate(Call[] calls);
        function tryAggregate(bool requireSuccess, Call[] calls);
        function tryBlockAndAggregate(bool requireSuccess, Call[] calls);
        function aggregate3(Call3[] calls);
        function aggregate3Value(Call3Value[] calls);
    }
}

/// More levels are refused: nobody nests that deep.
const MAX_DEPTH: usize = 4;

/// The calls, each followed by those nested in it.
pub(super) fn followed(sender: Address, calls: Vec<InnerCall>) -> Calls {
    let mut all = Vec::with_capacity(calls.len());
    for call in calls {
        follow(sender, call, MAX_DEPTH, &mut all)?;
    }
    Ok(all)
}

fn follow(sender: Address, call: InnerCall, depth: usize, all: &mut Vec<InnerCall>) -> Result<(), NotUnderstood> {
    let inside = inside(sender, &call)?;
    all.push(call);
    if inside.is_empty() {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or(NotUnderstood)?;
    inside.into_iter().try_for_each(|call| follow(sender, call, depth, all))
}

/// The calls directly inside this one.
fn inside(sender: Address, call: &InnerCall) -> Calls {
    if call.target == sender
        && let Some(calls) = executed_calls(sender, &call.data)
    {
        return calls;
    }
    // To `address(this)`: code that is run in the account's name thus calls the account.
    let itself = if call.kind == Kind::Delegate { sender } else { call.target };
    let to_itself = |data: &[Bytes]| data.iter().map(|data| InnerCall::call(itself, data)).collect();
    let to_each =
        |calls: &[Multicall3::Call]| calls.iter().map(|call| InnerCall::call(call.target, &call.callData)).collect();
    Ok(match call.selector() {
        Some(multicallCall::SELECTOR) => to_itself(&decode::<multicallCall>(&call.data)?.data),
        Some(WithDeadline::multicallCall::SELECTOR) => {
            to_itself(&decode::<WithDeadline::multicallCall>(&call.data)?.data)
        }
        Some(WithPreviousBlock::multicallCall::SELECTOR) => {
            to_itself(&decode::<WithPreviousBlock::multicallCall>(&call.data)?.data)
        }
        Some(Multicall3::aggregateCall::SELECTOR) => to_each(&decode::<Multicall3::aggregateCall>(&call.data)?.calls),
        Some(Multicall3::blockAndAggregateCall::SELECTOR) => {
            to_each(&decode::<Multicall3::blockAndAggregateCall>(&call.data)?.calls)
        }
        Some(Multicall3::tryAggregateCall::SELECTOR) => {
            to_each(&decode::<Multicall3::tryAggregateCall>(&call.data)?.calls)
        }
        Some(Multicall3::tryBlockAndAggregateCall::SELECTOR) => {
            to_each(&decode::<Multicall3::tryBlockAndAggregateCall>(&call.data)?.calls)
        }
        Some(Multicall3::aggregate3Call::SELECTOR) => {
            let calls = decode::<Multicall3::aggregate3Call>(&call.data)?.calls;
            calls.iter().map(|call| InnerCall::call(call.target, &call.callData)).collect()
        }
        Some(Multicall3::aggregate3ValueCall::SELECTOR) => {
            let calls = decode::<Multicall3::aggregate3ValueCall>(&call.data)?.calls;
            calls.iter().map(|call| InnerCall::call(call.target, &call.callData)).collect()
        }
        _ => Vec::new(),
    })
}
