//! `eip7702Auth` is parsed as strictly as every other object.

use proto::json::{GasFields, InvalidField, parse_user_operation};
use proto::{Address, EntryPointVersion, Init};
use serde_json::{Value, json};

const CHAIN: u64 = 31337;

fn operation() -> Value {
    json!({
        "sender": "0x5757575757575757575757575757575757575757",
        "nonce": "0x0",
        "factory": "0x7702",
        "factoryData": "0x",
        "callData": "0x",
        "callGasLimit": "0x249f0",
        "verificationGasLimit": "0x7a120",
        "preVerificationGas": "0xea60",
        "maxFeePerGas": "0xee6b2800",
        "maxPriorityFeePerGas": "0x3b9aca00",
        "signature": "0x",
        "eip7702Auth": {
            "address": "0xe6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6",
            "chainId": "0x7a69",
            "nonce": "0x0",
            "r": "0x1111111111111111111111111111111111111111111111111111111111111111",
            "s": "0x2222222222222222222222222222222222222222222222222222222222222222",
            "yParity": "0x0",
        },
    })
}

fn init(change: impl FnOnce(&mut Value)) -> Result<Init, InvalidField> {
    let mut operation = operation();
    change(&mut operation["eip7702Auth"]);
    parse(&operation, EntryPointVersion::V08).map(|(init, _)| init)
}

/// What the hash covers, and the delegate that it doesn't cover.
fn parse(operation: &Value, version: EntryPointVersion) -> Result<(Init, Option<Address>), InvalidField> {
    let parsed = parse_user_operation(operation, version, CHAIN, GasFields::Required)?;
    Ok((parsed.op.init, parsed.delegate_beside))
}

/// The operation in the form of that version.
fn of(version: EntryPointVersion, factory: Option<&str>) -> Value {
    let mut operation = operation();
    operation["factory"] = json!(factory);
    if version == EntryPointVersion::V06 {
        operation["factoryData"] = Value::Null;
        operation["initCode"] = json!("0x");
    }
    operation
}

fn delegated() -> Init {
    Init::Eip7702 { delegate: Address([0xe6; 20]), data: proto::Bounded::default() }
}

#[test]
fn an_authorisation_for_this_chain_or_for_any_gives_its_delegate() {
    assert_eq!(init(|_| ()), Ok(delegated()));
    assert_eq!(init(|auth| auth["chainId"] = json!("0x0")), Ok(delegated()), "any chain, this one included");
    // The form that viem sends before the account has signed it.
    assert_eq!(init(|auth| auth["yParity"] = json!(format!("0x{}", "0".repeat(64)))), Ok(delegated()));
    assert_eq!(init(|auth| *auth = json!({ "address": auth["address"] })), Ok(delegated()));
    assert_eq!(init(|auth| auth["v"] = json!("0x1b")), Ok(delegated()));
}

#[test]
fn a_malformed_field_is_refused_by_name() {
    let words = "0x333333333333333333333333333333333333333333333333333333333333333333";
    let cases = [
        ("chainId", json!("0x1"), "0x1 is another chain: expected 0x7a69, or 0x0 for any"),
        ("chainId", json!(1), "expected a string"),
        ("chainId", json!(31337), "expected a string"),
        ("chainId", json!({ "hex": "0x1" }), "expected a string"),
        ("chainId", json!("31337"), "expected hex starting with 0x"),
        ("chainId", json!("0x"), "expected a quantity in hex"),
        ("address", Value::Null, "missing"),
        ("address", json!("0xe6"), "expected 20 bytes in hex"),
        (
            "address",
            json!(format!("0x{}", "0".repeat(40))),
            "the zero address removes the delegation: no account would be left",
        ),
        ("address", json!(["0xe6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6"]), "expected a string"),
        ("nonce", json!(0), "expected a string"),
        ("yParity", json!(true), "expected a string"),
        ("r", json!(words), "expected a quantity of at most 256 bits in hex"),
        ("s", json!("0xzz"), "expected a quantity in hex"),
        ("v", json!(27), "expected a string"),
        ("foo", json!("0x1"), "no such field in an EIP-7702 authorisation"),
        ("contractAddress", json!("0x1"), "no such field in an EIP-7702 authorisation"),
    ];
    for (field, value, problem) in cases {
        let refusal = init(|auth| auth[field] = value.clone()).unwrap_err();
        assert_eq!(refusal, InvalidField { field: format!("eip7702Auth.{field}"), problem: problem.into() }, "{value}");
    }
    for whole in [json!("0x"), json!([]), json!(7)] {
        let refusal = init(|auth| *auth = whole.clone()).unwrap_err();
        assert_eq!((refusal.field.as_str(), refusal.problem.as_str()), ("eip7702Auth", "expected an object"));
    }
}

#[test]
fn the_delegate_is_in_the_hash_only_with_the_factory_that_stands_for_it() {
    let delegate = Address([0xe6; 20]);
    for version in EntryPointVersion::ALL {
        assert_eq!(parse(&of(version, None), version), Ok((Init::Deployed, Some(delegate))), "{version}");
        if version.supports_eip7702() {
            assert_eq!(parse(&of(version, Some("0x7702")), version), Ok((delegated(), None)), "{version}");
        }
        let mut deployed = of(version, None);
        deployed["eip7702Auth"] = Value::Null;
        assert_eq!(parse(&deployed, version), Ok((Init::Deployed, None)), "{version}");
    }
}

#[test]
fn a_malformed_authorisation_is_refused_without_the_factory_too() {
    for version in EntryPointVersion::ALL {
        let mut operation = of(version, None);
        operation["eip7702Auth"]["chainId"] = json!("0x1");
        assert_eq!(parse(&operation, version).unwrap_err().field, "eip7702Auth.chainId", "{version}");
    }
}

#[test]
fn an_entry_point_without_the_factory_0x7702_says_what_to_send_instead() {
    let refusal = parse(&of(EntryPointVersion::V07, Some("0x7702")), EntryPointVersion::V07).unwrap_err();
    let problem = "this EntryPoint version has no factory 0x7702: leave it out, and send eip7702Auth alone";
    assert_eq!((refusal.field.as_str(), refusal.problem.as_str()), ("factory", problem));

    let mut operation = of(EntryPointVersion::V06, None);
    operation["initCode"] = json!(format!("0x7702{}", "0".repeat(36)));
    operation["eip7702Auth"] = Value::Null;
    assert_eq!(parse(&operation, EntryPointVersion::V06).unwrap_err().problem, problem);
}

#[test]
fn an_account_is_made_by_a_factory_or_by_a_delegation() {
    for version in EntryPointVersion::ALL {
        let factory = "0x5151515151515151515151515151515151515151";
        let mut operation = of(version, (version > EntryPointVersion::V06).then_some(factory));
        if version == EntryPointVersion::V06 {
            operation["initCode"] = json!(format!("{factory}00"));
        }
        let refusal = parse(&operation, version).unwrap_err();
        let problem = "a factory makes the account: expected one of both";
        assert_eq!((refusal.field.as_str(), refusal.problem.as_str()), ("eip7702Auth", problem), "{version}");
    }
}
