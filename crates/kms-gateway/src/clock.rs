//! Time is a port, so that tests can set it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock of the normal world: used for early refusals and the audit, never for decisions of the
/// TEE.
pub trait Clock: Send + Sync {
    /// Unix seconds.
    fn now(&self) -> u64;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        // Before 1970 every timestamp is too far away, which is a refusal.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }
}
