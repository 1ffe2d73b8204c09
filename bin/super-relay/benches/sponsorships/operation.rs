//! The operation that is sponsored repeatedly, each time with another nonce key, which makes it a
//! new one.

use devkit::user_operation::Draft;
use devkit::{Address, Bytes, Call, EntryPointVersion, U256, execute};
use proto::UserOperation;
use proto::json::{GasFields, parse_user_operation};
use serde_json::Value;

use crate::Outcome;

/// The EntryPoint that most operations use today.
pub const VERSION: EntryPointVersion = EntryPointVersion::V07;
pub const CHAIN_ID: u64 = 31337;
pub const RP_ID: &str = "localhost";
/// The page that passkeys are used at.
pub const ORIGIN: &str = "http://localhost:5173";

const SEQUENCE_BITS: usize = 64;
/// The account's call goes to an address without code.
const PAYEE: Address = Address::repeat_byte(0x5a);

/// A call by an account, the first with its nonce key.
pub fn draft(sender: Address, key: u64) -> Draft {
    let call = Call { target: PAYEE, value: U256::ZERO, data: Bytes::from_static(&[0x12, 0x34]) };
    Draft::new(sender, U256::from(key) << SEQUENCE_BITS, execute(&call))
}

/// The operation as the relay parses it.
pub fn parsed(json: &Value) -> Outcome<UserOperation> {
    Ok(parse_user_operation(json, proto_version()?, CHAIN_ID, GasFields::Required)?.op)
}

/// The version as a type of the protocol crate.
pub fn proto_version() -> Outcome<proto::EntryPointVersion> {
    VERSION.to_string().parse().map_err(|problem| format!("{VERSION}: {problem}").into())
}
