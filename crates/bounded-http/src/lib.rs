//! Answers over HTTP, read no further than they may be long, and JSON-RPC of a chain's node over
//! them. A node's address may carry a key: nothing here logs it, and no error names it.
//!
//! A leaf: relay and gateway ask through it.

mod body;
mod cause;
mod connections;
mod json_rpc;

pub use body::{BodyError, read};
pub use cause::cause;
pub use connections::Connections;
pub use json_rpc::{JsonRpc, NotJsonRpc, exceeded, is_failure, unsent};
