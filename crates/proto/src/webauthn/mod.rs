//! What WebAuthn Level 3 puts into bytes. Gateway and trusted core read it with the same code, so
//! that no passkey can be registered that the trusted core would refuse, at once or with its first
//! approval, for its form.

mod authenticator_data;
mod client_data;
mod public_key;

pub use authenticator_data::{AttestedCredential, AuthenticatorData};
pub use client_data::{Ceremony, ClientData};
