//! The paymaster relay: JSON-RPC in, a sponsored operation out, or a typed refusal.
//!
//! `rpc` parses and answers, `sponsor` runs the cycle, `policy` decides, `store` remembers,
//! `claims` tells which request is the first of its kind, `relay_key` approves, `kms` has it
//! signed, `chain` reads paymasters and nonces, `settle` closes the books, `status` tells what is
//! in the way. Ports are traits; what implements them is chosen by whoever builds [`Parts`].

pub mod budget;
pub mod catalogue;
pub mod chain;
pub mod chains;
mod check;
pub mod claims;
pub mod clients;
mod deployment;
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
pub mod relay_key;
mod rpc;
mod secp256k1;
pub mod settings;
pub mod settle;
pub mod sponsor;
pub mod sqlite;
pub mod status;
pub mod store;
mod store_error;
mod sweep;

pub use check::check;
pub use deployment::Deployment;
pub use error::RelayError;
pub use gwei::Gwei;
pub use parts::Parts;
pub use rpc::RpcServer;
pub use settings::{Settings, SettingsError};
pub use settle::Settler;
pub use sponsor::Sponsor;
pub use status::Readiness;
pub use sweep::Sweeper;
