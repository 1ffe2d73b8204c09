//! The native HTTP API of the KMS (docs/api.md) in types: what each route takes and answers, headers,
//! reasons of refusals. The gateway serves these types, and its clients send and read them. No I/O.
#![forbid(unsafe_code)]

pub mod headers;
pub mod reason;
pub mod refusal;

pub use reason::{Reason, ReceivedReason};
pub use refusal::{ErrorBody, Refusal};
