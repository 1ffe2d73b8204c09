//! The system record and its version, which tells it from every older one (docs/adr/0009-rollback.md).
//!
//! A record is written with the next version first; then the monotonic counter moves there. So a record whose version is
//! the counter's is the newest one, one step ahead means that the platform died between the two, and anything else is not
//! what was written last. Opening writes a new version too: a record that was written and never acknowledged, which a host
//! may keep, is older than everything that is acknowledged later.

use proto::Status;
use serde::{Deserialize, Serialize};

use crate::ports::{MonotonicCounter, RecordName, SecureStore};
use crate::sealed;
use crate::system::{System, SystemRecord};

/// What the newest record holds.
#[derive(Default)]
pub(crate) struct State {
    version: u64,
    admin_counter: u64,
    system: Option<System>,
}

#[derive(Serialize, Deserialize)]
struct StateRecord {
    /// The monotonic counter while this record is the newest.
    version: u64,
    /// Admin commands that took effect.
    admin_counter: u64,
    /// Absent before provisioning.
    system: Option<SystemRecord>,
}

impl State {
    /// What was sealed last, under a new version.
    ///
    /// # Errors
    /// `RollbackDetected`: the store is older than the counter. `CounterFailed`: the counter is older than the store, or
    /// does not answer. `StorageFailed`, `StorageCorrupt`: the store does not answer, or not with what was written.
    pub(crate) fn open(store: &mut impl SecureStore, counter: &mut impl MonotonicCounter) -> Result<Self, Status> {
        let newest = counter.value()?;
        let state = match sealed::read::<StateRecord>(store, &RecordName::System)? {
            Some(record) => Self::take(record)?,
            None => Self::default(),
        };
        match state.version.checked_sub(newest) {
            Some(0) => {}
            Some(1) => advance(counter, state.version)?,
            Some(_) => return Err(Status::CounterFailed),
            None => return Err(Status::RollbackDetected),
        }
        state.seal(store, counter)
    }

    /// Admin commands that took effect.
    pub(crate) fn admin_counter(&self) -> u64 {
        self.admin_counter
    }

    /// The system, once there is one.
    pub(crate) fn system(&self) -> Option<&System> {
        self.system.as_ref()
    }

    /// The state that the admin's command of that counter makes, not sealed yet.
    pub(crate) fn commanded(self, admin_counter: u64, system: impl FnOnce(Option<System>) -> Option<System>) -> Self {
        Self { admin_counter, system: system(self.system), version: self.version }
    }

    /// Seals the state as the newest. After an error only the store knows which one that is: open it again.
    pub(crate) fn seal(
        self,
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
    ) -> Result<Self, Status> {
        let version = self.version.checked_add(1).ok_or(Status::CounterFailed)?;
        let system = self.system.as_ref().map(System::record);
        let record = StateRecord { version, admin_counter: self.admin_counter, system };
        sealed::write(store, &RecordName::System, &record)?;
        advance(counter, version)?;
        Ok(Self { version, ..self })
    }

    fn take(record: StateRecord) -> Result<Self, Status> {
        let system = record.system.map(System::open).transpose()?;
        Ok(Self { version: record.version, admin_counter: record.admin_counter, system })
    }
}

/// Moves the counter to the version, which is one ahead of it.
fn advance(counter: &mut impl MonotonicCounter, version: u64) -> Result<(), Status> {
    (counter.advance()? == version).then_some(()).ok_or(Status::CounterFailed)
}
