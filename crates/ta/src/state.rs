//! The system record and its version, which tells it from every older one
//! (docs/adr/0009-rollback.md).
//!
//! A record is written with the next version first; then the monotonic counter moves there. So a
//! record whose version is the counter's is the newest one, one step ahead means that the platform
//! died between the two, and anything else is not what was written last. Opening writes a new
//! version too: a record that was written and never acknowledged, which a host may keep, is older
//! than everything that is acknowledged later.

use proto::{Status, TeeId};

use crate::older::OlderStateRecord;
use crate::ports::{Entropy, MonotonicCounter, RecordName, SecureStore};
use crate::sealed::{self, Layouts, Stored};
use crate::state_record::StateRecord;
use crate::system::System;

/// What the newest record holds.
pub(crate) struct State {
    version: u64,
    tee_id: TeeId,
    admin_counter: u64,
    system: Option<System>,
}

impl Layouts for StateRecord {
    type Older = OlderStateRecord;
}

impl State {
    /// What was sealed last, under a new version. A store without an id gets one.
    ///
    /// # Errors
    /// `RollbackDetected`: the store is older than the counter. `CounterFailed`: the counter is
    /// older than the store, or does not answer. `StorageFailed`, `StorageCorrupt`: the store does
    /// not answer, or not with what was written. `EntropyFailed`: no id could be drawn.
    pub(crate) fn open(
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
        entropy: &mut impl Entropy,
    ) -> Result<Self, Status> {
        let newest = counter.value()?;
        let (record, is_named) = match sealed::read::<StateRecord>(store, &RecordName::System)? {
            Some(Stored::Current(record)) => (record, true),
            Some(Stored::Older(older)) => (older.named(draw_id(entropy)?), false),
            None => (StateRecord { version: 0, tee_id: draw_id(entropy)?, admin_counter: 0, system: None }, false),
        };
        let state = Self::take(record)?;
        match state.version.checked_sub(newest) {
            Some(0) => {}
            Some(1) => advance(counter, state.version)?,
            Some(_) => return Err(Status::CounterFailed),
            None => return Err(Status::RollbackDetected),
        }
        // A new id takes a version of its own before it is told to anyone. Otherwise a host could
        // cut the power before the counter moved, keep that record, have another id drawn, and
        // later put the first one back.
        let state = if is_named { state } else { state.seal(store, counter)? };
        state.seal(store, counter)
    }

    /// Which TEE this is.
    pub(crate) fn tee_id(&self) -> TeeId {
        self.tee_id
    }

    /// Admin commands that took effect.
    pub(crate) fn admin_counter(&self) -> u64 {
        self.admin_counter
    }

    /// The system, once there is one.
    pub(crate) fn system(&self) -> Option<&System> {
        self.system.as_ref()
    }

    /// The provisioned state of a new system, not sealed yet.
    pub(crate) fn provisioned(self, admin_counter: u64, system: System) -> Self {
        Self { admin_counter, system: Some(system), ..self }
    }

    /// The state that the admin's command of that counter makes, not sealed yet.
    pub(crate) fn commanded(self, admin_counter: u64, change: impl FnOnce(System) -> System) -> Self {
        Self { admin_counter, ..self.changed(change) }
    }

    /// The state after a change that is not the admin's, not sealed yet.
    pub(crate) fn changed(self, change: impl FnOnce(System) -> System) -> Self {
        Self { system: self.system.map(change), ..self }
    }

    /// Seals the state as the newest. After an error only the store knows which one that is: open
    /// it again.
    pub(crate) fn seal(
        self,
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
    ) -> Result<Self, Status> {
        let version = self.version.checked_add(1).ok_or(Status::CounterFailed)?;
        let system = self.system.as_ref().map(System::record);
        let record = StateRecord { version, tee_id: self.tee_id, admin_counter: self.admin_counter, system };
        sealed::write(store, &RecordName::System, &record)?;
        advance(counter, version)?;
        Ok(Self { version, ..self })
    }

    fn take(record: StateRecord) -> Result<Self, Status> {
        let StateRecord { version, tee_id, admin_counter, system } = record;
        Ok(Self { version, tee_id, admin_counter, system: system.map(System::open).transpose()? })
    }
}

fn draw_id(entropy: &mut impl Entropy) -> Result<TeeId, Status> {
    let mut id = TeeId::default();
    entropy.fill(&mut id.0)?;
    // A source that claims success and gives nothing must not give every TEE the same id.
    (id != TeeId::default()).then_some(id).ok_or(Status::EntropyFailed)
}

/// Moves the counter to the version, which is one ahead of it.
fn advance(counter: &mut impl MonotonicCounter, version: u64) -> Result<(), Status> {
    (counter.advance()? == version).then_some(()).ok_or(Status::CounterFailed)
}
