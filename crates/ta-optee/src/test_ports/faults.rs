//! Planned write failures for tests, as in `ta::memory::MemoryDevice`.

use alloc::vec::Vec;
use core::cell::Cell;

use ta::{Buckets, CounterError, MonotonicCounter, RecordName, SecureStore, StoreError};
use zeroize::Zeroizing;

use crate::counter::StoredCounter;
use crate::store::ObjectStore;

/// The outcome of a write.
#[derive(Clone, Copy)]
enum Fault {
    /// Nothing is written, and everything fails from then on.
    Before,
    /// It is written, and everything fails from then on.
    After,
    /// This one write fails.
    Refused,
}

#[derive(Clone, Copy)]
enum Plan {
    None,
    /// The write after this many more fails.
    Fail(u64, Fault),
    Dead,
}

struct Planned(Cell<Plan>);

#[expect(unsafe_code, reason = "state between commands can only live in a static")]
// SAFETY: as for the core in `instance`.
unsafe impl Sync for Planned {}

static PLANNED: Planned = Planned(Cell::new(Plan::None));

/// Plans a fault: eight bytes with the number of writes before it, and one byte with its kind.
/// `None` for anything else.
pub(crate) fn plan(bytes: &[u8]) -> Option<()> {
    let (writes, kind) = bytes.split_first_chunk()?;
    let fault = match kind {
        [0] => Fault::Before,
        [1] => Fault::After,
        [2] => Fault::Refused,
        _ => return None,
    };
    if !is_dead() {
        PLANNED.0.set(Plan::Fail(u64::from_be_bytes(*writes), fault));
    }
    Some(())
}

pub(crate) fn forget() {
    PLANNED.0.set(Plan::None);
}

fn is_dead() -> bool {
    matches!(PLANNED.0.get(), Plan::Dead)
}

/// A port of the platform, with planned faults.
pub(crate) struct Faulty<P>(pub(crate) P);

impl<P> Faulty<P> {
    /// One write, or `None` if it fails as planned.
    fn write<T>(&mut self, write: impl FnOnce(&mut P) -> T) -> Option<T> {
        match PLANNED.0.get() {
            Plan::None => Some(write(&mut self.0)),
            Plan::Fail(0, fault) => {
                PLANNED.0.set(if matches!(fault, Fault::Refused) { Plan::None } else { Plan::Dead });
                if matches!(fault, Fault::After) {
                    write(&mut self.0);
                }
                None
            }
            Plan::Fail(writes, fault) => {
                PLANNED.0.set(Plan::Fail(writes.saturating_sub(1), fault));
                Some(write(&mut self.0))
            }
            Plan::Dead => None,
        }
    }
}

impl SecureStore for Faulty<Buckets<ObjectStore>> {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        if is_dead() { Err(StoreError::Failed) } else { self.0.read(name) }
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        // It changes nothing, so the plan doesn't count it.
        if *name == RecordName::Room {
            return if is_dead() { Err(StoreError::Failed) } else { self.0.write(name, value) };
        }
        Faulty::write(self, |store| store.write(name, value)).ok_or(StoreError::Failed)?
    }

    fn check_fits(&self, records: &[(RecordName, usize)]) -> Result<(), StoreError> {
        if is_dead() { Err(StoreError::Failed) } else { self.0.check_fits(records) }
    }
}

impl MonotonicCounter for Faulty<StoredCounter> {
    fn value(&self) -> Result<u64, CounterError> {
        if is_dead() { Err(CounterError) } else { self.0.value() }
    }

    fn advance(&mut self) -> Result<u64, CounterError> {
        Faulty::write(self, MonotonicCounter::advance).ok_or(CounterError)?
    }
}
