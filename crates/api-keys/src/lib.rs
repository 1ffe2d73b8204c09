//! API keys as the relay and the KMS take them. Each keeps its keys where it likes; what a key is
//! known by, and how a request carries one, is here.
#![forbid(unsafe_code)]

mod hash;
mod presented;

pub use hash::{InvalidKeyHash, KeyHash};
pub use presented::{Presented, X_API_KEY};
