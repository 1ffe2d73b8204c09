//! The wire format and the hashes of super-relay, shared by every package, including the trusted
//! application.
//!
//! `no_std` with `alloc`, no I/O, no unsafe. Byte layouts are documented in `docs/protocol.md` and
//! in each module.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod abi;
pub mod account_id;
#[cfg(feature = "alloy")]
mod alloy;
pub mod bytes;
pub mod command;
pub mod cost;
pub mod digest;
pub mod entry_point;
pub mod frame;
mod hex;
pub mod intents;
#[cfg(feature = "json")]
pub mod json;
pub mod limits;
mod number;
mod parse_error;
pub mod paymaster;
pub mod primitives;
pub mod signature;
mod signature_suffix;
pub mod signers;
pub mod status;
mod text_serde;
pub mod typed_data;
pub mod user_operation;
pub mod webauthn;

pub use account_id::AccountId;
pub use bytes::Bounded;
pub use cost::{worst_case_cost, worst_case_gas};
pub use entry_point::{EntryPoint, EntryPointVersion};
pub use intents::{IntentList, InvalidIntents};
pub use number::{Quantity, Uint256, Wei};
pub use parse_error::ParseError;
pub use paymaster::Terms;
pub use primitives::{Address, Hash, IntentHash, PaymasterDigest, RequestDigest, TeeId, UserOpHash};
pub use signature::Signature;
pub use signers::Permissions;
pub use status::Status;
pub use user_operation::{Init, Paymaster, UserOperation};
