//! A software passkey: the browser and the platform authenticator in one, speaking WebAuthn Level 3
//! JSON.
//!
//! It also misbehaves on request ([`Behaviour`]): it is the tool that the relay's checks are
//! attacked with.

mod authenticator;
mod behaviour;
mod client_data;
mod credential;
mod options;

pub use authenticator::SoftPasskey;
pub use behaviour::{Behaviour, ExtraKey, SignCounter, SignatureForm};
pub use options::PasskeyError;
