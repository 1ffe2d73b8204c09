//! The core and its platform. The commands are in [`crate::commands`].

use proto::Status;

use crate::accounts::Accounts;
use crate::durable::Durable;
use crate::ports::{Entropy, MonotonicCounter, NoAttestation, Platform, SecureStore};
use crate::state::State;
use crate::system::System;

/// The trusted core on its platform. Its memory holds only a copy of the sealed records, which may
/// be dropped at any moment, and what is not spent yet of the sealed allowances, which is then
/// lost.
pub struct Core<S, E, C, A = NoAttestation> {
    pub(crate) store: S,
    pub(crate) entropy: E,
    pub(crate) attestor: A,
    pub(crate) platform: Platform,
    durable: Durable<C>,
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
    pub fn open(mut store: S, mut entropy: E, counter: C, platform: Platform) -> Result<Self, Status> {
        let durable = Durable::open(&mut store, counter, &mut entropy)?;
        let (attestor, accounts) = (NoAttestation, Accounts::default());
        Ok(Self { store, entropy, attestor, platform, durable, accounts })
    }

    /// The same core on a platform that can attest.
    pub fn attested_by<A>(self, attestor: A) -> Core<S, E, C, A> {
        let Self { store, entropy, platform, durable, accounts, .. } = self;
        Core { store, entropy, attestor, platform, durable, accounts }
    }
}

/// What signing an operation needs: the state, the accounts and their store.
pub(crate) type Signing<'a, S, C> = (&'a mut Durable<C>, &'a mut Accounts, &'a mut S);

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A> Core<S, E, C, A> {
    /// Reopens the store if the outcome of an earlier write is unknown.
    pub(crate) fn settle(&mut self) -> Result<(), Status> {
        self.durable.settle(&mut self.store, &mut self.entropy)
    }

    /// Seals a change of the state.
    pub(crate) fn commit(&mut self, change: impl FnOnce(State) -> State) -> Result<(), Status> {
        self.durable.commit(&mut self.store, change)
    }

    /// The sealed state.
    pub(crate) fn state(&self) -> Result<&State, Status> {
        self.durable.state()
    }

    /// The provisioned system.
    pub(crate) fn system(&self) -> Result<&System, Status> {
        self.durable.system()
    }

    /// The state, the accounts and their store: everything a signature needs.
    pub(crate) fn signing(&mut self) -> Signing<'_, S, C> {
        (&mut self.durable, &mut self.accounts, &mut self.store)
    }
}
