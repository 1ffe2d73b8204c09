//! ERC-7579 accounts (Kernel v3, Nexus, Etherspot, Safe with the 7579 adapter) and ERC-7821 ones:
//! `execute(bytes32 mode, bytes executionCalldata)`.

use alloy_primitives::Bytes;
use alloy_sol_types::sol;
use proto::Address;

use super::canonical::decode_arguments;
use super::{Calls, InnerCall, NotUnderstood, decode};

sol! {
    function execute(bytes32 mode, bytes executionCalldata);

    /// ERC-7579, "Execution"; ERC-7821, `Call`.
    struct Execution {
        address target;
        uint256 value;
        bytes callData;
    }
}

/// The parts of a mode that say what is executed (ERC-7579, "Execution Mode"): the type of call,
/// and whether a call that fails reverts all. The reserved bytes, selector and payload of other
/// modes are an account's own.
const CALL: u8 = 0x00;
const BATCH: u8 = 0x01;
const STATIC: u8 = 0xfe;
const DELEGATE: u8 = 0xff;
const DEFAULT: u8 = 0x00;
const TRY: u8 = 0x01;

/// ERC-7821: a batch with optional `opData`, and a batch of batches.
const BATCH_WITH_DATA: [u8; 10] = [0x01, 0x00, 0, 0, 0, 0, 0x78, 0x21, 0x00, 0x01];
const BATCH_OF_BATCHES: [u8; 10] = [0x01, 0x00, 0, 0, 0, 0, 0x78, 0x21, 0x00, 0x02];

const ADDRESS: usize = 20;
const VALUE: usize = 32;

pub(super) fn execute(sender: Address, call_data: &[u8]) -> Calls {
    let executeCall { mode, executionCalldata: execution } = decode(call_data)?;
    let (said, rest) = mode.0.split_at(BATCH_WITH_DATA.len());
    if rest.iter().any(|byte| *byte != 0) {
        return Err(NotUnderstood);
    }
    match said {
        said if said == BATCH_WITH_DATA => batch_with_data(sender, &execution),
        said if said == BATCH_OF_BATCHES => {
            let (batches,): (Vec<Bytes>,) = decode_arguments(&execution)?;
            let batches = batches.iter().map(|batch| batch_with_data(sender, batch));
            Ok(batches.collect::<Result<Vec<_>, _>>()?.concat())
        }
        [kind, DEFAULT | TRY, rest @ ..] if rest.iter().all(|byte| *byte == 0) => match *kind {
            CALL | STATIC => single(&execution),
            BATCH => batch(&execution),
            DELEGATE => {
                let (target, data) = execution.split_first_chunk::<ADDRESS>().ok_or(NotUnderstood)?;
                Ok(vec![InnerCall::delegate(Address(*target), data)])
            }
            _ => Err(NotUnderstood),
        },
        _ => Err(NotUnderstood),
    }
}

/// `abi.encodePacked(target, value, callData)`.
fn single(execution: &[u8]) -> Calls {
    let (target, rest) = execution.split_first_chunk::<ADDRESS>().ok_or(NotUnderstood)?;
    let (_, data) = rest.split_at_checked(VALUE).ok_or(NotUnderstood)?;
    Ok(vec![InnerCall::call(Address(*target), data)])
}

/// `abi.encode(executions)`. An ERC-7821 account takes the zero address for itself, an ERC-7579
/// account does not: refused, since the mode is the same.
fn batch(execution: &[u8]) -> Calls {
    let (executions,): (Vec<Execution>,) = decode_arguments(execution)?;
    if executions.iter().any(|one| one.target.is_zero()) {
        return Err(NotUnderstood);
    }
    Ok(executions.iter().map(|one| InnerCall::call(one.target, &one.callData)).collect())
}

/// `abi.encode(calls)` or `abi.encode(calls, opData)`: the `opData` authorises or annotates the
/// calls, and adds none.
fn batch_with_data(sender: Address, execution: &[u8]) -> Calls {
    let calls = match decode_arguments::<(Vec<Execution>, Bytes)>(execution) {
        Ok((calls, _)) => calls,
        Err(NotUnderstood) => decode_arguments::<(Vec<Execution>,)>(execution)?.0,
    };
    let target = |one: &Execution| if one.target.is_zero() { sender } else { one.target.into() };
    Ok(calls.iter().map(|one| InnerCall::call(target(one), &one.callData)).collect())
}
