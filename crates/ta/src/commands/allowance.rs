//! The allowances: queries that anyone may send.

use proto::Status;
use proto::command::Allowances as Report;

use crate::allowances::Allowances;
use crate::core::Core;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    pub(super) fn allowances(&self) -> Result<Report, Status> {
        self.state()?.allowances().report()
    }

    /// Nothing is written if the sealed amounts are exact already.
    pub(super) fn seal_allowances(&mut self) -> Result<(), Status> {
        if self.state()?.allowances().is_settled() {
            return Ok(());
        }
        self.commit(|state| state.allowing(Allowances::settled))
    }
}
