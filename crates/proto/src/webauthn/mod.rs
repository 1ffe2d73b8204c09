//! The binary formats of WebAuthn Level 3. Gateway and trusted core parse them with the same code,
//! so that no passkey can be registered that the trusted core would refuse for its format,
//! immediately or at its first approval.

mod authenticator_data;
mod client_data;
mod public_key;

pub use authenticator_data::{AttestedCredential, AuthenticatorData};
pub use client_data::{Ceremony, ClientData};
