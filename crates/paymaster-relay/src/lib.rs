//! The paymaster relay: JSON-RPC in, a sponsored operation out, or a typed refusal.
//!
//! `rpc` parses and answers, `sponsor` runs the cycle, `policy` decides, `store` remembers, `claims` tells which request is the first of its kind, `relay_key`
//! approves, `kms` has it signed, `chain` reads paymasters and nonces, `settlement` closes the books. Ports are traits;
//! what implements them is chosen by whoever builds [`Parts`].

pub mod budget;
pub mod catalogue;
pub mod chain;
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
mod paymaster_signers;
pub mod policy;
pub mod ports;
mod recent;
mod relay;
pub mod relay_key;
mod rpc;
mod secp256k1;
mod server;
pub mod settings;
mod settlement;
pub mod sponsor;
pub mod sqlite;
pub mod status;
pub mod store;
mod store_error;

pub use check::check;
pub use deployment::Deployment;
pub use error::RelayError;
pub use gwei::Gwei;
pub use invitation::InvitationRequest;
pub use relay::{Parts, Relay};
pub use server::serve;
pub use settings::{Settings, SettingsError};
