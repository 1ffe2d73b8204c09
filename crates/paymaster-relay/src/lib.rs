//! The paymaster relay: JSON-RPC requests in, a sponsored operation or a typed refusal out.
//!
//! `rpc` parses and answers, `sponsor` runs the cycle, `policy` decides, `store` persists, `claims`
//! finds the first request of its kind, `relay_key` approves, `kms` obtains signatures, `chain`
//! reads paymasters and nonces, `bundler` passes calls on, `webhook` asks and tells the operator's
//! servers, `settle` settles reservations, `status` reports problems. Ports are traits; the caller
//! that builds [`Parts`] chooses their implementations.

mod account_code;
pub mod budget;
pub mod bundler;
mod bundler_refusal;
pub mod calendar;
pub mod catalogue;
pub mod chain;
pub mod chains;
mod check;
pub mod claims;
pub mod clients;
mod deployment;
mod deposit_guard;
mod detached;
mod endpoint;
pub mod error;
mod gwei;
mod invitation;
pub mod kms;
pub mod metrics;
mod outage;
mod parts;
mod paymaster_signers;
pub mod policy;
pub mod ports;
mod principal;
mod recent;
pub mod register;
pub mod relay_key;
mod rpc;
mod secp256k1;
pub mod settings;
pub mod settle;
mod signed_http;
pub mod spend;
pub mod sponsor;
pub mod sqlite;
pub mod status;
pub mod store;
mod store_error;
mod sweep;
mod webhook;

pub use check::check;
pub use deployment::Deployment;
pub use error::RelayError;
pub use gwei::Gwei;
pub use parts::Parts;
pub use rpc::{Page, RpcServer};
pub use settings::{Settings, SettingsError};
pub use settle::Settler;
pub use sponsor::Sponsor;
pub use status::Readiness;
pub use sweep::Sweeper;
pub use webhook::{Deliverer, Webhooks};
