//! Time comes in through a port, so that a test can set it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock of the normal world: good for refusing early and for the audit, never for what the TEE
/// decides.
pub trait Clock: Send + Sync {
    /// Unix seconds.
    fn now(&self) -> u64;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        // Before 1970 every request is out of its time, which is a refusal.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }
}
