//! The trusted core: takes frames from a host that may be hostile, checks everything for itself,
//! and only then signs.
//!
//! The host owns the database, the clock and the network. So nothing here has a clock, a socket or
//! a thread: a reply is a function of the frame, the sealed records and, for new keys alone, the
//! platform's entropy. A replayed request gives the same bytes.
//!
//! [`Core::handle`] is all there is to call; the platform comes in through the ports of [`ports`].
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod accounts;
mod ceilings;
mod checks;
mod commands;
mod core;
mod keys;
#[cfg(feature = "memory")]
pub mod memory;
mod older;
pub mod ports;
mod recover;
mod relay;
mod sealed;
mod secret;
mod state;
mod state_record;
mod system;
mod webauthn;

pub use commands::admin;
pub use core::Core;
pub use ports::{
    AttestError, Attestor, CounterError, Entropy, EntropyError, MonotonicCounter, NoAttestation, Platform, RecordName,
    SecureStore, StoreError,
};
