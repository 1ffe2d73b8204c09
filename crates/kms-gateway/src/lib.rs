//! The KMS gateway: the HTTP API in front of the trusted application, WebAuthn registration, the
//! account index, the audit chain and the transports to the TEE.
//!
//! Everything here runs in the normal world. Its checks make refusals fast and explain them; the
//! trusted application repeats every check, and its decision counts.
#![forbid(unsafe_code)]

pub mod admin_key;
pub mod api_keys;
pub mod bootstrap;
pub mod ceremony;
pub mod clock;
pub mod factory;
pub mod gateway;
pub mod http;
pub mod metrics;
pub mod origin;
pub mod protection;
mod recover;
pub mod settings;
mod settings_check;
pub mod store;
pub mod tee;
mod text;
pub mod transport;

pub use gateway::{Caller, CreatedAccount, Gateway, GatewayError, NotSealed, Principal};
pub use http::serve;
pub use settings::Settings;
