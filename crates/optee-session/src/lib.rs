//! One session with a trusted application in OP-TEE (GlobalPlatform TEE Client API 1.0), over one
//! piece of shared memory that is allocated once: memory referred to for one call at a time costs
//! several times as much.
//!
//! A command has four parameters: p0 the request in the shared memory, p1 room for the reply behind
//! it, p2 the reply's length, p3 nothing.
//!
//! Without the feature `client` only the codes are here, and nothing is linked.

#[cfg(feature = "client")]
mod context;
mod error;
#[cfg(feature = "client")]
mod memory;
#[cfg(feature = "client")]
mod session;

pub use error::{Error, Origin, codes};
#[cfg(feature = "client")]
pub use session::{Room, Session};
