//! The trusted core: receives frames from a host that may be hostile, checks everything itself, and
//! only then signs.
//!
//! The host owns the database, the clock and the network, so this crate uses no clock, socket or
//! thread: a reply is a function of the frame, the sealed records and, for new keys only, the
//! platform's entropy. A replayed request gives the same bytes.
//!
//! [`Core::handle`] is the only entry point; the platform is supplied through [`ports`].
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
mod allowances;
mod buckets;
mod ceilings;
mod checks;
mod commands;
mod core;
mod durable;
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

pub use buckets::{Buckets, buffer};
pub use checks::check_message;
pub use commands::admin;
pub use core::Core;
pub use ports::{
    AttestError, Attestor, CounterError, Entropy, EntropyError, MonotonicCounter, NoAttestation, Platform, RecordName,
    SecureStore, StoreError,
};
pub use webauthn::check_approval;
