//! The native HTTP API of the KMS (docs/api.md) as types: requests and answers of each route,
//! headers, reasons of refusals. The gateway serves these types, and its clients use them too. No
//! I/O.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod admin;
pub mod attestation;
pub mod headers;
mod json;
pub mod messages;
pub mod operations;
pub mod reason;
pub mod refusal;
pub mod routes;
pub mod status;
pub mod webauthn;

pub use reason::{Reason, ReceivedReason};
pub use refusal::{ErrorBody, Refusal};
pub use routes::{Method, Route, Routed};
