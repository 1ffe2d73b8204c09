//! Operations in JSON: reading their fields, and tampering with them.

use devkit::{Bytes, HandleOpsError, HandledOp, U256};
use serde_json::{Value, json};

/// The bytes of a hex field.
pub fn bytes(field: &Value) -> Vec<u8> {
    field.as_str().unwrap_or_else(|| panic!("no hex: {field}")).parse::<Bytes>().unwrap().to_vec()
}

/// A hex field.
pub fn hex(bytes: impl Into<Vec<u8>>) -> Value {
    json!(Bytes::from(bytes.into()))
}

/// The operation with one bit of one byte of a field flipped.
pub fn flip(operation: &Value, field: &str, position: usize) -> Value {
    let mut changed = operation.clone();
    let mut content = bytes(&operation[field]);
    content[position] ^= 1;
    changed[field] = hex(content);
    changed
}

/// The operation with a quantity incremented by one.
pub fn increment(operation: &Value, field: &str) -> Value {
    let mut changed = operation.clone();
    let quantity: U256 = operation[field].as_str().unwrap().parse().unwrap();
    changed[field] = json!(quantity + U256::ONE);
    changed
}

/// The EntryPoint's reason for refusing (`AA24`, ...), without the words after it.
#[track_caller]
pub fn refused_on_chain(outcome: Result<HandledOp, HandleOpsError>) -> String {
    let error = outcome.expect_err("the EntryPoint took the operation");
    let reason = error.reason().unwrap_or_else(|| panic!("refused otherwise: {error}"));
    reason.split(' ').next().unwrap_or_default().to_owned()
}
