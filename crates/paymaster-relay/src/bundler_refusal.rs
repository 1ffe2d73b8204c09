//! A bundler's JSON-RPC error.

use serde_json::value::RawValue;
use thiserror::Error;

/// Errors of JSON-RPC and of EIP-1474 about the call and not about what it carries: the bundler
/// does not have the method, failed, or limits its caller.
const ABOUT_THE_CALL: [i32; 8] = [-32700, -32600, -32601, -32603, -32002, -32004, -32005, -32006];

/// A bundler's error, as it answered it.
#[derive(Clone, Debug, Error)]
#[error("the bundler answered {code}: {message}")]
pub struct BundlerRefusal {
    /// The JSON-RPC error code.
    pub code: i32,
    /// Its text, without the keys of the bundler's URL.
    pub message: String,
    /// Its data, likewise.
    pub data: Option<Box<RawValue>>,
}

impl BundlerRefusal {
    /// Whether it is about the operation that was sent. Any error that has no other meaning is.
    pub(crate) fn is_about_the_operation(&self) -> bool {
        !ABOUT_THE_CALL.contains(&self.code)
    }
}
