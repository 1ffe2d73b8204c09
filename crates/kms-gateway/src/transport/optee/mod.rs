//! OP-TEE on this machine: the trusted application `crates/ta-optee`, over the client library of
//! OP-TEE.

mod codes;
#[cfg(feature = "optee")]
mod session;

pub use codes::OpteeError;
#[cfg(feature = "optee")]
pub use session::OpteeSession;
