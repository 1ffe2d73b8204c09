//! A client's half of a user operation: drafting it as EntryPoint JSON, and packing what comes back
//! for the chain.

mod draft;
mod pack;
mod wire;

pub use draft::{Draft, GasLimits};
pub(crate) use pack::Packed;
pub use wire::WireError;
