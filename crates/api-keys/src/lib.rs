//! API keys for the relay and the KMS: how a key is hashed, and how a request carries one. Each
//! program stores its keys itself.
#![forbid(unsafe_code)]

mod hash;
mod presented;

pub use hash::{InvalidKeyHash, KeyHash};
pub use presented::{Presented, X_API_KEY};
