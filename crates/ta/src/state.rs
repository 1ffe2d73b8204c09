//! The system record and its version, which distinguishes it from every older one
//! (docs/adr/0009-rollback.md).
//!
//! The record is written with the next version first; then the monotonic counter is incremented to
//! it. So a record whose version equals the counter is the newest; one version ahead means that the
//! platform failed between the two steps; anything else is not the last record written. Opening
//! writes a new version too: a record that was written but never acknowledged, which a host may
//! keep, is then older than everything acknowledged later.

use proto::{Status, TeeId};

use crate::allowances::{AllowanceRecords, Allowances, Bill, Charged};
use crate::older::OlderStateRecord;
use crate::ports::{Entropy, MonotonicCounter, RecordName, SecureStore};
use crate::sealed::{self, Layouts, Stored};
use crate::state_record::StateRecord;
use crate::system::System;

/// The contents of the newest record.
pub(crate) struct State {
    version: u64,
    tee_id: TeeId,
    admin_counter: u64,
    system: Option<System>,
    allowances: Allowances,
}

impl Layouts for StateRecord {
    type Older = OlderStateRecord;
    type Added = AllowanceRecords;

    fn added(&self) -> Option<&AllowanceRecords> {
        self.allowances.as_ref()
    }

    fn with(self, allowances: AllowanceRecords) -> Self {
        Self { allowances: Some(allowances), ..self }
    }
}

impl State {
    /// Opens the last sealed record under a new version. A store without a TEE id gets one.
    ///
    /// # Errors
    /// `RollbackDetected`: the store is older than the counter. `CounterFailed`: the counter is
    /// older than the store, or does not answer. `StorageFailed`, `StorageCorrupt`: the store does
    /// not answer, or its record differs from what was written. `EntropyFailed`: no id could be
    /// drawn.
    pub(crate) fn open(
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
        entropy: &mut impl Entropy,
    ) -> Result<Self, Status> {
        let newest = counter.value()?;
        let (record, is_named) = match sealed::read::<StateRecord>(store, &RecordName::System)? {
            Some(Stored::Current(record)) => (record, true),
            Some(Stored::Older(older)) => (older.named(draw_id(entropy)?), false),
            None => (StateRecord::new(draw_id(entropy)?), false),
        };
        let state = Self::take(record)?;
        match state.version.checked_sub(newest) {
            Some(0) => {}
            Some(1) => advance(counter, state.version)?,
            Some(_) => return Err(Status::CounterFailed),
            None => return Err(Status::RollbackDetected),
        }
        // A new id takes a version of its own before it is disclosed. Otherwise a host could cut
        // the power before the counter advanced, keep that record, have another id drawn, and later
        // restore the first one.
        let state = if is_named { state } else { state.seal(store, counter)? };
        state.seal(store, counter)
    }

    /// The TEE's id.
    pub(crate) fn tee_id(&self) -> TeeId {
        self.tee_id
    }

    /// Admin commands that took effect.
    pub(crate) fn admin_counter(&self) -> u64 {
        self.admin_counter
    }

    /// The system, once provisioned.
    pub(crate) fn system(&self) -> Option<&System> {
        self.system.as_ref()
    }

    /// The allowances.
    pub(crate) fn allowances(&self) -> &Allowances {
        &self.allowances
    }

    /// Charges a sponsorship for which nothing is due. This is not sealed: what it spends was
    /// sealed as spent before.
    pub(crate) fn charge(&mut self, bill: &Bill) -> Result<Charged, Status> {
        self.allowances.charge(bill)
    }

    /// The state with changed allowances, not sealed yet.
    pub(crate) fn allowing(self, change: impl FnOnce(Allowances) -> Allowances) -> Self {
        Self { allowances: change(self.allowances), ..self }
    }

    /// The provisioned state of a new system, not sealed yet.
    pub(crate) fn provisioned(self, admin_counter: u64, system: System) -> Self {
        Self { admin_counter, system: Some(system), ..self }
    }

    /// The state produced by the admin command with that counter, not sealed yet.
    pub(crate) fn commanded(self, admin_counter: u64, change: impl FnOnce(System) -> System) -> Self {
        Self { admin_counter, ..self.changed(change) }
    }

    /// The state after a change that the admin did not command, not sealed yet.
    pub(crate) fn changed(self, change: impl FnOnce(System) -> System) -> Self {
        Self { system: self.system.map(change), ..self }
    }

    /// Seals the state as the newest. After an error only the store knows which state is current:
    /// reopen it.
    pub(crate) fn seal(
        self,
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
    ) -> Result<Self, Status> {
        let version = self.version.checked_add(1).ok_or(Status::CounterFailed)?;
        sealed::write(store, &RecordName::System, &self.record(version)?)?;
        advance(counter, version)?;
        Ok(Self { version, ..self })
    }

    /// The length of its record, in bytes.
    pub(crate) fn sealed_length(&self) -> Result<usize, Status> {
        sealed::length(&RecordName::System, &self.record(self.version)?)
    }

    fn record(&self, version: u64) -> Result<StateRecord, Status> {
        let system = self.system.as_ref().map(System::record);
        let allowances = self.allowances.records()?;
        Ok(StateRecord { version, tee_id: self.tee_id, admin_counter: self.admin_counter, system, allowances })
    }

    fn take(record: StateRecord) -> Result<Self, Status> {
        let StateRecord { version, tee_id, admin_counter, system, allowances } = record;
        let system = system.map(System::open).transpose()?;
        let allowances = allowances.map(Allowances::open).unwrap_or_default();
        Ok(Self { version, tee_id, admin_counter, system, allowances })
    }
}

fn draw_id(entropy: &mut impl Entropy) -> Result<TeeId, Status> {
    let mut id = TeeId::default();
    entropy.fill(&mut id.0)?;
    // A source that reports success but fills nothing must not give every TEE the same id.
    (id != TeeId::default()).then_some(id).ok_or(Status::EntropyFailed)
}

/// Advances the counter to the version, which is one ahead of it.
fn advance(counter: &mut impl MonotonicCounter, version: u64) -> Result<(), Status> {
    (counter.advance()? == version).then_some(()).ok_or(Status::CounterFailed)
}
