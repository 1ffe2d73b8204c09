//! Support for the gateway tests' request type.

use proto::{Address, EntryPoint, EntryPointVersion};

pub use crate::keys::RelayKey;
pub use crate::kms::Kms;

pub const CHAIN_ID: u64 = 31337;
pub const PAYMASTER: Address = Address([0x77; 20]);
/// Placeholder until the real time is set.
pub const NOW: u64 = 1_800_000_000;

pub fn entry_point(version: EntryPointVersion) -> EntryPoint {
    EntryPoint { chain_id: CHAIN_ID, address: version.canonical_address(), version }
}
