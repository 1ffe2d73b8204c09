//! The sealed state in memory, and how a change to it is sealed.

use proto::Status;

use crate::allowances::{Bill, Charged, Due};
use crate::ports::{Entropy, MonotonicCounter, SecureStore};
use crate::sealed;
use crate::state::State;
use crate::system::System;

/// The state and its monotonic counter. The store is passed to each write.
pub(crate) struct Durable<C> {
    counter: C,
    /// `None` after a failed write, until the store has been reopened: nothing is served from an
    /// unknown state.
    state: Option<State>,
    /// Bytes that the store's [`RecordName::Room`](crate::RecordName::Room) holds at least.
    room: usize,
}

impl<C: MonotonicCounter> Durable<C> {
    /// Opens the state from the store.
    ///
    /// # Errors
    /// Those of [`State::open`].
    pub(crate) fn open(
        store: &mut impl SecureStore,
        mut counter: C,
        entropy: &mut impl Entropy,
    ) -> Result<Self, Status> {
        let state = Some(State::open(store, &mut counter, entropy)?);
        Ok(Self { counter, state, room: 0 })
    }

    /// Reopens the store if the outcome of an earlier write is unknown.
    pub(crate) fn settle(&mut self, store: &mut impl SecureStore, entropy: &mut impl Entropy) -> Result<(), Status> {
        if self.state.is_none() {
            self.state = Some(State::open(store, &mut self.counter, entropy)?);
        }
        Ok(())
    }

    /// Removes the state from memory until the new one is sealed: after a failed write only the
    /// store knows which one is current. So a store that is full is noticed before. One that
    /// differs from what was written is not served from any longer.
    pub(crate) fn commit(
        &mut self,
        store: &mut impl SecureStore,
        change: impl FnOnce(State) -> State,
    ) -> Result<(), Status> {
        self.check_room(store).inspect_err(|status| {
            if *status == Status::StorageCorrupt {
                self.state = None;
            }
        })?;
        let state = self.state.take().ok_or(IN_DOUBT)?;
        self.state = Some(change(state).seal(store, &mut self.counter)?);
        Ok(())
    }

    /// Charges a sponsorship to its deployment's allowance, after sealing a chunk of it if one is
    /// due.
    ///
    /// # Errors
    /// `AllowanceExhausted`; those of [`Self::commit`].
    pub(crate) fn charge(&mut self, store: &mut impl SecureStore, bill: &Bill) -> Result<Charged, Status> {
        if let Due::Chunk = self.state()?.allowances().check(bill)? {
            self.commit(store, |state| state.allowing(|allowances| allowances.with_chunk(bill)))?;
        }
        self.state.as_mut().ok_or(IN_DOUBT)?.charge(bill)
    }

    /// Whether the store has room for a new state beside the current one. Each write replaces the
    /// previous one, which must be as long: otherwise it takes the room that it found.
    fn check_room(&mut self, store: &mut impl SecureStore) -> Result<(), Status> {
        let length = self.state()?.sealed_length()?.saturating_add(MAX_GROWTH);
        let length = length.checked_next_multiple_of(ROOM_STEP).unwrap_or(length);
        if self.room < length {
            sealed::check_room(store, length)?;
            self.room = length;
        }
        sealed::check_room(store, self.room)
    }

    /// The sealed state.
    pub(crate) fn state(&self) -> Result<&State, Status> {
        self.state.as_ref().ok_or(IN_DOUBT)
    }

    /// The provisioned system.
    pub(crate) fn system(&self) -> Result<&System, Status> {
        self.state()?.system().ok_or(Status::NotProvisioned)
    }
}

/// Bytes that a change adds to the system record: more than any single relay key or allowance, and
/// than most ceilings.
const MAX_GROWTH: usize = 4 * 1024;

/// The room that is checked grows in steps of so many bytes.
const ROOM_STEP: usize = 4 * 1024;

/// Unreachable: every frame settles the state first.
const IN_DOUBT: Status = Status::StorageFailed;
