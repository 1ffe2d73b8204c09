//! Each encoding as the account's contract defines it. The encodings of the libraries themselves
//! are tested with unmodified clients (tests/clients/calls.test.mjs).

use alloy_primitives::{Address as Target, B256, Bytes, U256, address, bytes, hex};
use alloy_sol_types::{SolCall, SolValue};
use proto::Address;

use super::simple_account::{BatchV08, executeCall};
use super::{EXECUTE_USER_OP, InnerCall, Kind, NotUnderstood, biconomy, erc7579, inner_calls, kernel, nested, safe};

const SENDER: Target = address!("00000000000000000000000000000000000000cc");
const ONE: Target = address!("00000000000000000000000000000000000000aa");
const TWO: Target = address!("00000000000000000000000000000000000000bb");
const MULTI_SEND_CALL_ONLY: Target = address!("9641d764fc13c8B624c04430C7356C1C7C8102e2");

fn data() -> Bytes {
    bytes!("a9059cbb0000")
}

fn read(call_data: &[u8]) -> Result<Vec<(Address, Vec<u8>, Kind)>, NotUnderstood> {
    let calls = inner_calls(SENDER.into(), call_data)?;
    Ok(calls.into_iter().map(|call| (call.target, call.data.to_vec(), call.kind)).collect())
}

fn called(target: Target, data: Bytes) -> (Address, Vec<u8>, Kind) {
    (target.into(), data.to_vec(), Kind::Call)
}

fn delegated(target: Target, data: Bytes) -> (Address, Vec<u8>, Kind) {
    (target.into(), data.to_vec(), Kind::Delegate)
}

fn execution(target: Target, call_data: Bytes) -> erc7579::Execution {
    erc7579::Execution { target, value: U256::from(5), callData: call_data }
}

fn execute(mode: &str, execution: Vec<u8>) -> Vec<u8> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(mode, &mut bytes[..mode.len() / 2]).unwrap();
    erc7579::executeCall { mode: B256::from(bytes), executionCalldata: execution.into() }.abi_encode()
}

fn packed(target: Target, data: &Bytes) -> Vec<u8> {
    [target.as_slice(), &U256::from(5).to_be_bytes::<32>(), data].concat()
}

fn batch(executions: &[erc7579::Execution]) -> Vec<u8> {
    (executions.to_vec(),).abi_encode_params()
}

#[test]
fn kernel_v2_calls_and_delegates() {
    let call = |operation| kernel::executeCall { to: ONE, value: U256::ZERO, data: data(), operation }.abi_encode();
    assert_eq!(read(&call(0)), Ok(vec![called(ONE, data())]));
    assert_eq!(read(&call(1)), Ok(vec![delegated(ONE, data())]));
    assert_eq!(read(&call(2)), Err(NotUnderstood));
    let delegate = kernel::executeDelegateCallCall { to: ONE, data: data() }.abi_encode();
    assert_eq!(read(&delegate), Ok(vec![delegated(ONE, data())]));
}

#[test]
fn biconomy_calls_one_and_many() {
    let single = biconomy::execute_ncCCall { dest: ONE, value: U256::ZERO, func: data() }.abi_encode();
    assert_eq!(single[..4], hex!("0000189a"));
    assert_eq!(read(&single), Ok(vec![called(ONE, data())]));
    let batch = |values: usize| {
        biconomy::executeBatch_y6UCall {
            dest: vec![ONE, TWO],
            value: vec![U256::ZERO; values],
            func: vec![data(), Bytes::new()],
        }
        .abi_encode()
    };
    assert_eq!(batch(2)[..4], hex!("00004680"));
    assert_eq!(read(&batch(2)), Ok(vec![called(ONE, data()), called(TWO, Bytes::new())]));
    assert_eq!(read(&batch(0)), Err(NotUnderstood));
}

#[test]
fn erc7579_calls_one_in_every_mode() {
    for mode in ["00", "0001", "fe"] {
        assert_eq!(read(&execute(mode, packed(ONE, &data()))), Ok(vec![called(ONE, data())]), "{mode}");
    }
    assert_eq!(read(&execute("00", packed(ONE, &Bytes::new()))), Ok(vec![called(ONE, Bytes::new())]));
    let delegate = [ONE.as_slice(), &data()].concat();
    assert_eq!(read(&execute("ff", delegate)), Ok(vec![delegated(ONE, data())]));
    assert_eq!(read(&execute("00", vec![0; 51])), Err(NotUnderstood));
    assert_eq!(read(&execute("ff", vec![0; 19])), Err(NotUnderstood));
}

#[test]
fn erc7579_calls_many() {
    let two = batch(&[execution(ONE, data()), execution(TWO, Bytes::new())]);
    for mode in ["01", "0101"] {
        let calls = read(&execute(mode, two.clone()));
        assert_eq!(calls, Ok(vec![called(ONE, data()), called(TWO, Bytes::new())]), "{mode}");
    }
    assert_eq!(read(&execute("01", [two.clone(), vec![0; 32]].concat())), Err(NotUnderstood));
    let to_zero = batch(&[execution(Target::ZERO, data())]);
    assert_eq!(read(&execute("01", to_zero)), Err(NotUnderstood), "the account itself under ERC-7821");
}

#[test]
fn a_mode_that_is_not_defined_is_not_understood() {
    for mode in [
        "02",
        "0002",
        "000000000001",
        "00000000000000000001",
        "0000000000000000000000000001",
        "0100000000007821000300",
        "01010000000078210001",
        "010000000000782100010001",
    ] {
        assert_eq!(read(&execute(mode, packed(ONE, &data()))), Err(NotUnderstood), "{mode}");
    }
}

#[test]
fn erc7821_calls_many_itself_and_batches_of_them() {
    let calls = vec![execution(ONE, data()), execution(Target::ZERO, bytes!("01020304"))];
    let expected = vec![called(ONE, data()), called(SENDER, bytes!("01020304"))];
    let with_data = (calls.clone(), bytes!("aabb")).abi_encode_params();
    for encoded in [batch(&calls), with_data.clone()] {
        assert_eq!(read(&execute("01000000000078210001", encoded)), Ok(expected.clone()));
    }
    let batches = (vec![Bytes::from(batch(&calls)), Bytes::from(with_data)],).abi_encode_params();
    let twice = [expected.clone(), expected].concat();
    assert_eq!(read(&execute("01000000000078210002", batches)), Ok(twice));
}

#[test]
fn the_encodings_of_a_public_report_are_understood() {
    let target = address!("000000000000000000000000000000000000dead");
    let transfer = bytes!(
        "a9059cbb000000000000000000000000000000000000000000000000000000000000dead\
         0000000000000000000000000000000000000000000000000000000000000001"
    );
    let single = execute("", [target.as_slice(), &[0; 32], &transfer].concat());
    assert_eq!(single[..36], [&hex!("e9ae5c53")[..], &[0; 32]].concat());
    assert_eq!(read(&single), Ok(vec![called(target, transfer.clone())]));
    let user_op = safe::executeUserOpCall { to: target, value: U256::ZERO, data: transfer.clone(), operation: 0 };
    assert_eq!(user_op.abi_encode()[..4], hex!("7bb37428"));
    assert_eq!(read(&user_op.abi_encode()), Ok(vec![called(target, transfer)]));
}

fn safe_call(to: Target, data: Bytes, operation: u8) -> Vec<u8> {
    safe::executeUserOpWithErrorStringCall { to, value: U256::ZERO, data, operation }.abi_encode()
}

fn transaction(operation: u8, target: Target, data: &Bytes) -> Vec<u8> {
    let (value, length) = (U256::ZERO.to_be_bytes::<32>(), U256::from(data.len()).to_be_bytes::<32>());
    [&[operation], target.as_slice(), &value, &length, data].concat()
}

fn multi_send(transactions: Vec<u8>) -> Bytes {
    safe::multiSendCall { transactions: transactions.into() }.abi_encode().into()
}

#[test]
fn a_safe_calls_delegates_and_sends_many() {
    assert_eq!(safe_call(ONE, data(), 0)[..4], hex!("541d63c8"));
    assert_eq!(read(&safe_call(ONE, data(), 0)), Ok(vec![called(ONE, data())]));
    assert_eq!(read(&safe_call(ONE, data(), 1)), Ok(vec![delegated(ONE, data())]));
    assert_eq!(read(&safe_call(ONE, data(), 2)), Err(NotUnderstood));
    let two = [transaction(0, ONE, &data()), transaction(0, TWO, &Bytes::new())].concat();
    let calls = read(&safe_call(MULTI_SEND_CALL_ONLY, multi_send(two.clone()), 1));
    assert_eq!(calls, Ok(vec![called(ONE, data()), called(TWO, Bytes::new())]));
    // As a plain call, it is just another contract, which reverts.
    let sent = multi_send(two.clone());
    assert_eq!(read(&safe_call(MULTI_SEND_CALL_ONLY, sent.clone(), 0)), Ok(vec![called(MULTI_SEND_CALL_ONLY, sent)]));
}

#[test]
fn packed_transactions_that_are_not_in_order_are_not_understood() {
    let good = transaction(0, ONE, &data());
    let mut long = good.clone();
    long[1 + 20 + 32] = 1;
    for transactions in [
        good[..good.len() - 1].to_vec(),
        good[..60].to_vec(),
        [good.clone(), vec![0]].concat(),
        transaction(1, ONE, &data()),
        long,
    ] {
        let call = safe_call(MULTI_SEND_CALL_ONLY, multi_send(transactions.clone()), 1);
        assert_eq!(read(&call), Err(NotUnderstood), "{transactions:02x?}");
    }
}

#[test]
fn execute_user_op_executes_the_rest() {
    let call = execute("00", packed(ONE, &data()));
    assert_eq!(read(&[&EXECUTE_USER_OP[..], &call].concat()), Ok(vec![called(ONE, data())]));
    assert_eq!(read(&EXECUTE_USER_OP), Err(NotUnderstood));
    assert_eq!(read(&[&EXECUTE_USER_OP[..], &EXECUTE_USER_OP, &call].concat()), Err(NotUnderstood));
}

fn single(target: Target, data: Bytes) -> Vec<u8> {
    executeCall { dest: target, value: U256::ZERO, func: data }.abi_encode()
}

fn multicall(data: &[Bytes]) -> Bytes {
    nested::multicallCall { data: data.to_vec() }.abi_encode().into()
}

#[test]
fn calls_inside_a_multicall_are_listed_after_it() {
    let outer = multicall(&[data(), bytes!("01020304")]);
    let expected = vec![called(ONE, outer.clone()), called(ONE, data()), called(ONE, bytes!("01020304"))];
    assert_eq!(read(&single(ONE, outer.clone())), Ok(expected));
    let with_deadline =
        nested::WithDeadline::multicallCall { deadline: U256::from(1), data: vec![data()] }.abi_encode().into();
    assert_eq!(read(&single(ONE, with_deadline)).unwrap()[1], called(ONE, data()));
    let trailing = [&outer[..], &[0; 32]].concat();
    assert_eq!(read(&single(ONE, trailing.into())), Err(NotUnderstood));
}

#[test]
fn a_multicall_in_the_accounts_own_name_calls_the_account() {
    let inside = Bytes::from(single(TWO, data()));
    let outer = multicall(&[bytes!("01020304"), inside.clone()]);
    let delegate = kernel::executeDelegateCallCall { to: ONE, data: outer.clone() }.abi_encode();
    let own = |data| called(SENDER, data);
    let expected = vec![delegated(ONE, outer), own(bytes!("01020304")), own(inside), called(TWO, data())];
    assert_eq!(read(&delegate), Ok(expected));
}

#[test]
fn calls_of_multicall3_go_to_their_own_targets() {
    let one = nested::Multicall3::Call { target: TWO, callData: data() };
    let three = nested::Multicall3::Call3 { target: TWO, allowFailure: true, callData: data() };
    let value = U256::from(1);
    let valued = nested::Multicall3::Call3Value { target: TWO, allowFailure: false, value, callData: data() };
    let calls = vec![one];
    let functions: [Vec<u8>; 6] = [
        nested::Multicall3::aggregateCall { calls: calls.clone() }.abi_encode(),
        nested::Multicall3::blockAndAggregateCall { calls: calls.clone() }.abi_encode(),
        nested::Multicall3::tryAggregateCall { requireSuccess: true, calls: calls.clone() }.abi_encode(),
        nested::Multicall3::tryBlockAndAggregateCall { requireSuccess: true, calls }.abi_encode(),
        nested::Multicall3::aggregate3Call { calls: vec![three] }.abi_encode(),
        nested::Multicall3::aggregate3ValueCall { calls: vec![valued] }.abi_encode(),
    ];
    for function in functions {
        let function = Bytes::from(function);
        assert_eq!(read(&single(ONE, function.clone())), Ok(vec![called(ONE, function), called(TWO, data())]));
    }
}

#[test]
fn a_call_to_the_account_itself_is_followed() {
    let inside = Bytes::from(single(TWO, data()));
    assert_eq!(read(&single(SENDER, inside.clone())), Ok(vec![called(SENDER, inside), called(TWO, data())]));
    let calls = vec![BatchV08::Call { target: SENDER, value: U256::ZERO, data: single(TWO, data()).into() }];
    let batch = BatchV08::executeBatchCall { calls }.abi_encode();
    assert_eq!(read(&batch).unwrap()[1], called(TWO, data()));
}

#[test]
fn what_is_nested_too_deep_is_not_understood() {
    let nest = |levels: usize| (0..levels).fold(data(), |inside, _| multicall(&[inside]));
    assert_eq!(read(&single(ONE, nest(4))).unwrap().len(), 5);
    assert_eq!(read(&single(ONE, nest(5))), Err(NotUnderstood));
}

#[test]
fn a_selector_has_four_bytes() {
    let call = |data: Bytes| InnerCall { target: ONE.into(), data, kind: Kind::Call }.selector();
    assert_eq!(call(data()), Some(hex!("a9059cbb")));
    assert_eq!(call(bytes!("a9059c")), None);
}
