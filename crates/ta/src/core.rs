//! The core over its platform: what it holds, and how a change of it is sealed. What it does is in
//! [`crate::commands`].

use proto::Status;

use crate::accounts::Accounts;
use crate::ports::{Entropy, MonotonicCounter, NoAttestation, Platform, SecureStore};
use crate::state::State;
use crate::system::System;

/// The trusted core over its platform. What it holds in memory is a copy of the sealed records: it
/// may be dropped at any moment.
pub struct Core<S, E, C, A = NoAttestation> {
    pub(crate) store: S,
    pub(crate) entropy: E,
    counter: C,
    pub(crate) attestor: A,
    pub(crate) platform: Platform,
    /// `None` after a write that failed, until the store has told what is there: nothing is served
    /// in doubt.
    state: Option<State>,
    pub(crate) accounts: Accounts,
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter> Core<S, E, C> {
    /// Opens the core over what the store holds, which takes two writes: its version and the
    /// counter move on. At the first start there are two more, for the TEE's id.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageCorrupt`, `CounterFailed`: a store in doubt is never taken for an
    /// empty one. `RollbackDetected`: what the store holds is older than the counter.
    /// `EntropyFailed`: no id could be drawn.
    pub fn open(mut store: S, mut entropy: E, mut counter: C, platform: Platform) -> Result<Self, Status> {
        let state = Some(State::open(&mut store, &mut counter, &mut entropy)?);
        let (attestor, accounts) = (NoAttestation, Accounts::default());
        Ok(Self { store, entropy, counter, attestor, platform, state, accounts })
    }

    /// The same core on a platform that can attest.
    pub fn attested_by<A>(self, attestor: A) -> Core<S, E, C, A> {
        let Self { store, entropy, counter, platform, state, accounts, .. } = self;
        Core { store, entropy, counter, attestor, platform, state, accounts }
    }
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A> Core<S, E, C, A> {
    /// Opens the store again if a write of doubtful outcome came before.
    pub(crate) fn settle(&mut self) -> Result<(), Status> {
        if self.state.is_none() {
            self.state = Some(State::open(&mut self.store, &mut self.counter, &mut self.entropy)?);
        }
        Ok(())
    }

    /// Gone from memory until the next one is sealed: after a failed write only the store knows
    /// which one holds.
    pub(crate) fn commit(&mut self, change: impl FnOnce(State) -> State) -> Result<(), Status> {
        let state = self.state.take().ok_or(IN_DOUBT)?;
        self.state = Some(change(state).seal(&mut self.store, &mut self.counter)?);
        Ok(())
    }

    /// What is sealed.
    pub(crate) fn state(&self) -> Result<&State, Status> {
        self.state.as_ref().ok_or(IN_DOUBT)
    }

    /// The system that was provisioned.
    pub(crate) fn system(&self) -> Result<&System, Status> {
        self.state()?.system().ok_or(Status::NotProvisioned)
    }

    /// The system, the accounts and their store: what a signature needs.
    pub(crate) fn signing(&mut self) -> Result<(&System, &mut Accounts, &mut S), Status> {
        let system = self.state.as_ref().ok_or(IN_DOUBT)?.system().ok_or(Status::NotProvisioned)?;
        Ok((system, &mut self.accounts, &mut self.store))
    }
}

/// Not met: every frame settles the state first.
const IN_DOUBT: Status = Status::StorageFailed;
