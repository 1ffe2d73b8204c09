//! The client's part of a user operation: drafting it as EntryPoint JSON, and packing the result
//! for the chain.

mod draft;
mod pack;
mod wire;

pub use draft::{Draft, GasLimits};
pub(crate) use pack::Packed;
pub use wire::WireError;
