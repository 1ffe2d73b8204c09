//! Signed commands, grouped by what they change: who may give them, and the state each one
//! produces. The checks that do not depend on the signer are public: a host can run them first and
//! avoid sending the TEE a command that would be refused.

mod allowance;
mod paymaster_key;
mod setup;
mod signers;

use proto::command::{AdminRequest, Deployment, Provisioned, SignedCommand};
use proto::{Address, Signature, Status, TeeId, Wei};

use crate::core::Core;
use crate::keys::PaymasterKey;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};
use crate::recover::signer_of;
use crate::system::System;

pub use setup::check_provision;
pub use signers::check_relay_key;

/// A command of the admin to a provisioned system.
pub trait AdminCommand: AdminRequest {
    /// The change it makes, regardless of who signed it. Nothing is changed yet.
    ///
    /// # Errors
    /// The status by which the trusted application refuses it.
    fn change(&self, current: &Provisioned) -> Result<Change, Status>;
}

/// The result of an admin command.
pub enum Change {
    /// The same keys, with this replacing everything else.
    Provisioned(Provisioned),
    /// A new standby for the paymaster key.
    NewStandby,
    /// The standby replaces the paymaster key.
    StandbyInUse,
    /// That total of worst-case costs for the deployment.
    Allowance(Deployment, Wei),
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    /// Checks everything before anything changes, including that the change is possible.
    pub(super) fn administer<R: AdminCommand>(&mut self, command: &R) -> Result<(), Status> {
        let change = command.change(self.admitted(command)?)?;
        let counter = command.counter();
        match change {
            Change::Provisioned(next) => self.commit(|state| state.commanded(counter, |system| system.with(next))),
            Change::NewStandby => {
                let key = PaymasterKey::draw(&mut self.entropy)?;
                self.commit(|state| state.commanded(counter, |system| system.with_standby(key)))
            }
            Change::Allowance(deployment, total) => {
                self.state()?.allowances().check_room(&deployment)?;
                let unchanged = |system| system;
                self.commit(|state| {
                    state.commanded(counter, unchanged).allowing(|allowances| allowances.with(deployment, total))
                })
            }
            Change::StandbyInUse => self.commit(|state| state.commanded(counter, System::with_standby_in_use)),
        }
    }

    /// The provisioned state, if the command is the admin's next one for this TEE.
    fn admitted(&self, command: &impl AdminRequest) -> Result<&Provisioned, Status> {
        let (state, now) = (self.state()?, self.system()?.provisioned());
        check_turn(command, state.tee_id(), state.admin_counter())?;
        check_admin(command, &now.admin)?;
        Ok(now)
    }
}

/// Refuses a command for another TEE, and one with a counter other than the next: a replay, or a
/// command that another one overtook.
fn check_turn(command: &impl AdminRequest, tee_id: TeeId, counter: u64) -> Result<(), Status> {
    check_tee(command, tee_id)?;
    let next = counter.checked_add(1).ok_or(Status::CounterFailed)?;
    (command.counter() == next).then_some(()).ok_or(Status::CounterMismatch)
}

/// Refuses a command that the admin did not sign.
fn check_admin(command: &impl AdminRequest, admin: &Address) -> Result<(), Status> {
    is_signed_by(command, &command.signature(), admin).then_some(()).ok_or(Status::AdminSignatureInvalid)
}

fn check_tee(command: &impl SignedCommand, tee_id: TeeId) -> Result<(), Status> {
    (command.tee_id() == tee_id).then_some(()).ok_or(Status::TeeIdMismatch)
}

fn is_signed_by(command: &impl SignedCommand, signature: &Signature, signer: &Address) -> bool {
    signer_of(&command.digest(), signature).as_ref() == Some(signer)
}
