//! HTTP responses with a size limit, and JSON-RPC calls to chain nodes and bundlers. A URL of these
//! may contain a key: nothing here logs it, and no error names it.
//!
//! This crate depends on no other of ours: relay and gateway use it for their requests.

mod body;
mod cause;
mod client;
mod connections;
mod json_rpc;

pub use body::{BodyError, read};
pub use cause::cause;
pub use client::{client, client_for};
pub use connections::Connections;
pub use json_rpc::{JsonRpc, NotJsonRpc, exceeded, is_failure, not_reached, unsent};
