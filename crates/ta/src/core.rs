//! The core and its platform: its state, and how a change to it is sealed. The commands are in
//! [`crate::commands`].

use proto::Status;

use crate::accounts::Accounts;
use crate::ports::{Entropy, MonotonicCounter, NoAttestation, Platform, SecureStore};
use crate::sealed;
use crate::state::State;
use crate::system::System;

/// The trusted core on its platform. Its memory holds only a copy of the sealed records, which may
/// be dropped at any moment.
pub struct Core<S, E, C, A = NoAttestation> {
    pub(crate) store: S,
    pub(crate) entropy: E,
    counter: C,
    pub(crate) attestor: A,
    pub(crate) platform: Platform,
    /// `None` after a failed write, until the store has been reopened: nothing is served from an
    /// unknown state.
    state: Option<State>,
    /// Bytes that the store's [`RecordName::Room`] holds at least.
    room: usize,
    pub(crate) accounts: Accounts,
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter> Core<S, E, C> {
    /// Opens the core from the store. This takes two writes, because the store's version and the
    /// counter advance; the first start needs two more, for the TEE's id.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageCorrupt`, `CounterFailed`: a store that cannot be read is never
    /// treated as an empty one. `RollbackDetected`: the store is older than the counter.
    /// `EntropyFailed`: no id could be drawn.
    pub fn open(mut store: S, mut entropy: E, mut counter: C, platform: Platform) -> Result<Self, Status> {
        let state = Some(State::open(&mut store, &mut counter, &mut entropy)?);
        let (attestor, accounts) = (NoAttestation, Accounts::default());
        Ok(Self { store, entropy, counter, attestor, platform, state, room: 0, accounts })
    }

    /// The same core on a platform that can attest.
    pub fn attested_by<A>(self, attestor: A) -> Core<S, E, C, A> {
        let Self { store, entropy, counter, platform, state, room, accounts, .. } = self;
        Core { store, entropy, counter, attestor, platform, state, room, accounts }
    }
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A> Core<S, E, C, A> {
    /// Reopens the store if the outcome of an earlier write is unknown.
    pub(crate) fn settle(&mut self) -> Result<(), Status> {
        if self.state.is_none() {
            self.state = Some(State::open(&mut self.store, &mut self.counter, &mut self.entropy)?);
        }
        Ok(())
    }

    /// Removes the state from memory until the new one is sealed: after a failed write only the
    /// store knows which one is current. So a store that is full is noticed before. One that
    /// differs from what was written is not served from any longer.
    pub(crate) fn commit(&mut self, change: impl FnOnce(State) -> State) -> Result<(), Status> {
        self.check_room().inspect_err(|status| {
            if *status == Status::StorageCorrupt {
                self.state = None;
            }
        })?;
        let state = self.state.take().ok_or(IN_DOUBT)?;
        self.state = Some(change(state).seal(&mut self.store, &mut self.counter)?);
        Ok(())
    }

    /// Whether the store has room for a new state beside the current one. Each write replaces the
    /// previous one, which must be as long: otherwise it takes the room that it found.
    fn check_room(&mut self) -> Result<(), Status> {
        let length = self.state()?.sealed_length()?.saturating_add(MAX_GROWTH);
        let length = length.checked_next_multiple_of(ROOM_STEP).unwrap_or(length);
        if self.room < length {
            sealed::check_room(&mut self.store, length)?;
            self.room = length;
        }
        sealed::check_room(&mut self.store, self.room)
    }

    /// The sealed state.
    pub(crate) fn state(&self) -> Result<&State, Status> {
        self.state.as_ref().ok_or(IN_DOUBT)
    }

    /// The provisioned system.
    pub(crate) fn system(&self) -> Result<&System, Status> {
        self.state()?.system().ok_or(Status::NotProvisioned)
    }

    /// The system, the accounts and their store: everything a signature needs.
    pub(crate) fn signing(&mut self) -> Result<(&System, &mut Accounts, &mut S), Status> {
        let system = self.state.as_ref().ok_or(IN_DOUBT)?.system().ok_or(Status::NotProvisioned)?;
        Ok((system, &mut self.accounts, &mut self.store))
    }
}

/// Bytes that a change adds to the system record: more than any single relay key, and than most
/// ceilings.
const MAX_GROWTH: usize = 4 * 1024;

/// The room that is checked grows in steps of so many bytes.
const ROOM_STEP: usize = 4 * 1024;

/// Unreachable: every frame settles the state first.
const IN_DOUBT: Status = Status::StorageFailed;
