//! In-memory ports for tests: a platform that can be killed at any write, and deterministic
//! entropy.
//!
//! They bypass none of the core's checks.

extern crate std;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::ports::{CounterError, Entropy, EntropyError, MonotonicCounter, RecordName, SecureStore, StoreError};

/// Where in a write the platform fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Before the write: nothing is written.
    Before,
    /// After the write, before the core learns of it.
    After,
    /// During the write: half a record remains. No real store may do that ([`SecureStore::write`]);
    /// the core must detect it.
    Torn,
    /// This one write fails; the platform keeps running.
    Refused,
}

/// A platform's durable memory: records and the counter. Clones share it, and it outlives every
/// core that uses it.
#[derive(Clone, Default)]
pub struct MemoryDevice(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    records: BTreeMap<RecordName, Vec<u8>>,
    counter: u64,
    writes: u64,
    plan: Option<(u64, Fault)>,
    dead: bool,
    full: bool,
}

/// The records of a [`MemoryDevice`].
pub struct MemoryStore(MemoryDevice);

/// The counter of a [`MemoryDevice`].
pub struct MemoryCounter(MemoryDevice);

impl MemoryDevice {
    /// A port to the device's records.
    #[must_use]
    pub fn store(&self) -> MemoryStore {
        MemoryStore(self.clone())
    }

    /// A port to the device's counter.
    #[must_use]
    pub fn counter(&self) -> MemoryCounter {
        MemoryCounter(self.clone())
    }

    /// Another device with the same contents, powered on and with no fault planned.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.state();
        let copy = State { records: state.records.clone(), counter: state.counter, ..State::default() };
        Self(Arc::new(Mutex::new(copy)))
    }

    /// Writes so far, including increments of the counter, without those of [`RecordName::Room`],
    /// which change nothing.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Plans the fault for the write after `writes` more. Once the device is dead, everything fails
    /// until [`Self::revive`].
    pub fn fail_after(&self, writes: u64, fault: Fault) {
        let mut state = self.state();
        state.plan = Some((state.writes.saturating_add(writes), fault));
    }

    /// Leaves no room for any record, or makes room again.
    pub fn fill(&self, full: bool) {
        self.state().full = full;
    }

    /// Restores power and cancels a planned fault.
    pub fn revive(&self) {
        let mut state = self.state();
        state.dead = false;
        state.plan = None;
    }

    /// Every record as stored.
    #[must_use]
    pub fn records(&self) -> Vec<(RecordName, Vec<u8>)> {
        let state = self.state();
        state.records.iter().map(|(name, bytes)| (*name, bytes.clone())).collect()
    }

    /// Replaces all records by those of an earlier time, bypassing the core. The counter stays.
    pub fn restore(&self, records: &[(RecordName, Vec<u8>)]) {
        self.state().records = records.iter().cloned().collect();
    }

    /// Writes a record, bypassing the core.
    pub fn plant(&self, name: RecordName, bytes: Vec<u8>) {
        self.state().records.insert(name, bytes);
    }

    /// Sets the counter, bypassing the core.
    pub fn set_counter(&self, value: u64) {
        self.state().counter = value;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a record can be written, as far as the device knows.
    fn has_room(&self) -> Result<(), StoreError> {
        let state = self.state();
        if state.dead || state.full { Err(StoreError::Failed) } else { Ok(()) }
    }

    /// One write, made by `apply`, whole or torn.
    fn write(&self, apply: impl FnOnce(&mut State, bool)) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.dead {
            return Err(StoreError::Failed);
        }
        let fault = state.plan.and_then(|(at, fault)| (at == state.writes).then_some(fault));
        state.writes = state.writes.saturating_add(1);
        match fault {
            None => {
                apply(&mut state, false);
                return Ok(());
            }
            Some(Fault::Refused) => return Err(StoreError::Failed),
            Some(Fault::Before) => {}
            Some(Fault::After) => apply(&mut state, false),
            Some(Fault::Torn) => apply(&mut state, true),
        }
        state.dead = true;
        Err(StoreError::Failed)
    }
}

impl SecureStore for MemoryStore {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let state = self.0.state();
        if state.dead {
            return Err(StoreError::Failed);
        }
        Ok(state.records.get(name).cloned().map(Zeroizing::new))
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        self.0.has_room()?;
        if *name == RecordName::Room {
            return Ok(());
        }
        self.0.write(|state, torn| {
            let kept = if torn { value.len() / 2 } else { value.len() };
            let bytes = value.iter().copied().take(kept).collect();
            state.records.insert(*name, bytes);
        })
    }
}

impl MonotonicCounter for MemoryCounter {
    fn value(&self) -> Result<u64, CounterError> {
        let state = self.0.state();
        if state.dead { Err(CounterError) } else { Ok(state.counter) }
    }

    fn advance(&mut self) -> Result<u64, CounterError> {
        self.0.write(|state, _| state.counter = state.counter.saturating_add(1)).map_err(|_| CounterError)?;
        self.value()
    }
}

/// Predictable entropy for tests: SHA-256 of a seed and a count.
#[derive(Clone)]
pub struct SeededEntropy {
    seed: [u8; 32],
    drawn: u64,
}

impl SeededEntropy {
    /// The same seed gives the same bytes.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            self.drawn = self.drawn.saturating_add(1);
            let block = Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize();
            for (to, from) in chunk.iter_mut().zip(block) {
                *to = from;
            }
        }
        Ok(())
    }
}
