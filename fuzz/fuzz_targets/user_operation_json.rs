//! User operations in JSON: what is parsed has a hash, and its paymaster fields are written as they
//! are read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::json::{GasFields, check_shape, paymaster_fields, parse_user_operation};
use proto::{EntryPoint, EntryPointVersion};
use serde_json::Value;

const CHAIN_ID: u64 = 31337;
const PAYMASTER: [&str; 6] = [
    "paymaster",
    "paymasterAndData",
    "paymasterData",
    "paymasterPostOpGasLimit",
    "paymasterSignature",
    "paymasterVerificationGasLimit",
];

fuzz_target!(|bytes: &[u8]| {
    if check_shape(bytes, 512).is_err() {
        return;
    }
    let json: Value = serde_json::from_slice(bytes).expect("its shape was checked");
    for version in [EntryPointVersion::V06, EntryPointVersion::V07, EntryPointVersion::V08, EntryPointVersion::V09] {
        let strict = parse_user_operation(&json, version, CHAIN_ID, GasFields::Required);
        let parsed = parse_user_operation(&json, version, CHAIN_ID, GasFields::Optional);
        let Ok(parsed) = parsed else {
            assert!(strict.is_err());
            continue;
        };
        if let Ok(strict) = strict {
            assert_eq!(strict, parsed);
        }
        let entry_point = EntryPoint { version, chain_id: CHAIN_ID, address: version.canonical_address() };
        let _ = parsed.op.hash(&entry_point);
        let _ = parsed.op.without_paymaster().hash(&entry_point);
        let Some(paymaster) = &parsed.op.paymaster else { continue };
        let mut written = json.as_object().expect("an operation is an object").clone();
        written.retain(|name, _| !PAYMASTER.contains(&name.as_str()));
        written.extend(paymaster_fields(paymaster, version));
        let again = parse_user_operation(&Value::Object(written), version, CHAIN_ID, GasFields::Optional);
        assert_eq!(again.as_ref().map(|again| &again.op), Ok(&parsed.op));
    }
});
