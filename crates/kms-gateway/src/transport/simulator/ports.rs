//! The trusted core's ports, implemented with the sealed file and the operating system.

use std::cell::RefCell;
use std::rc::Rc;

use ta::{CounterError, Entropy, EntropyError, MonotonicCounter, RecordName, SecureStore, StoreError};
use zeroize::Zeroizing;

use super::sealed_file::SealedFile;

/// Records and counter share the file; both stay on the core's thread.
pub(super) fn over(file: SealedFile) -> (SealedStore, SealedCounter) {
    let file = Rc::new(RefCell::new(file));
    (SealedStore(Rc::clone(&file)), SealedCounter(file))
}

pub(super) struct SealedStore(Rc<RefCell<SealedFile>>);

impl SecureStore for SealedStore {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.0.borrow().read(&name.to_bytes()))
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        let written = self.0.borrow_mut().write(&name.to_bytes(), value);
        written.map_err(|error| {
            tracing::error!(%error, "the simulator could not write a record");
            StoreError::Failed
        })
    }
}

pub(super) struct SealedCounter(Rc<RefCell<SealedFile>>);

impl MonotonicCounter for SealedCounter {
    fn value(&self) -> Result<u64, CounterError> {
        Ok(self.0.borrow().counter())
    }

    fn advance(&mut self) -> Result<u64, CounterError> {
        let advanced = self.0.borrow_mut().advance_counter();
        advanced.map_err(|error| {
            tracing::error!(%error, "the simulator could not advance its counter");
            CounterError
        })
    }
}

pub(super) struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}
