//! A software passkey: browser and platform authenticator in one, using WebAuthn Level 3 JSON.
//!
//! It also misbehaves on request ([`Behaviour`]), to attack the relay's checks.

mod authenticator;
mod behaviour;
mod client_data;
mod credential;
mod options;

pub use authenticator::SoftPasskey;
pub use behaviour::{Behaviour, ExtraKey, SignCounter, SignatureForm};
pub use options::PasskeyError;
