//! Signature checks of the host, several times as fast as the portable crates that the trusted
//! application uses: secp256k1 recovery by libsecp256k1, P-256 verification by ring. They accept
//! exactly what the trusted application accepts ([ADR 46](../../../docs/adr/0046-fast-checks.md)).
#![forbid(unsafe_code)]

mod passkey;
mod recover;

pub use passkey::{check_assertion, signed_hash};
pub use recover::recover;
