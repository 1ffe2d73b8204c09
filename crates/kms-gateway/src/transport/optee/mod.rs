//! OP-TEE on this machine: the trusted application `crates/ta-optee`, using OP-TEE's client
//! library.

mod codes;
#[cfg(feature = "optee")]
mod session;

pub use codes::OpteeError;
#[cfg(feature = "optee")]
pub use session::OpteeSession;
