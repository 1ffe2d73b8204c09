//! The paymaster relay: JSON-RPC in, a sponsored operation out, or a typed refusal.
//!
//! `rpc` parses and answers, `sponsor` runs the cycle, `policy` decides, `store` remembers, `nonce` claims, `relay_key`
//! approves, `kms` has it signed, `chain` reads paymasters and nonces, `settlement` closes the books. Ports are traits;
//! what implements them is chosen by whoever builds [`Parts`].

pub mod budget;
pub mod catalogue;
pub mod chain;
pub mod clients;
pub mod error;
mod invitation;
pub mod kms;
pub mod metrics;
pub mod nonce;
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
pub mod status;
pub mod store;

pub use error::RelayError;
pub use invitation::InvitationRequest;
pub use relay::{Parts, Relay};
pub use server::serve;
pub use settings::{Settings, SettingsError};
