//! The monotonic counter, in an object beside the records.
//!
//! It is protected from rollback as well as the storage is: with RPMB, both are.

use ta::{CounterError, MonotonicCounter};

use crate::objects::{self, COUNTER};

/// The last stored number. It is kept in memory too: the host may damage the object, but cannot
/// reset a running instance.
pub(crate) struct StoredCounter(u64);

impl StoredCounter {
    /// Reads the stored number, or 0 if there is none. The core refuses a counter that is behind
    /// its records.
    pub(crate) fn open() -> Result<Self, CounterError> {
        let Some(bytes) = objects::read(COUNTER).map_err(|_| CounterError)? else {
            return Ok(Self(0));
        };
        let bytes = bytes.as_slice().try_into().map_err(|_| CounterError)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

impl MonotonicCounter for StoredCounter {
    fn value(&self) -> Result<u64, CounterError> {
        Ok(self.0)
    }

    fn advance(&mut self) -> Result<u64, CounterError> {
        let next = self.0.checked_add(1).ok_or(CounterError)?;
        objects::write(COUNTER, &next.to_be_bytes()).map_err(|_| CounterError)?;
        self.0 = next;
        Ok(next)
    }
}
