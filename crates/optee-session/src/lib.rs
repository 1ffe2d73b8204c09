//! One session with a trusted application in OP-TEE (GlobalPlatform TEE Client API 1.0), using one
//! block of shared memory that is allocated once: temporary memory references cost several times as
//! much per call.
//!
//! A command has four parameters: p0 the request in the shared memory, p1 the reply buffer behind
//! it, p2 the reply's length, p3 unused.
//!
//! Without the feature `client` the crate contains only the codes, and links nothing.

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
