//! A TEE's initial settings: the admin, the relying parties and the ceilings.

use proto::bytes::BoundedList;
use proto::command::{Provision, Provisioned, SetCeilings};
use proto::{Address, Status};

use super::{AdminCommand, Change, check_admin, check_turn};
use crate::ceilings;
use crate::core::Core;
use crate::keys::PaymasterKey;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};
use crate::system::System;

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    pub(in crate::commands) fn provision(&mut self, command: Provision) -> Result<(), Status> {
        let state = self.state()?;
        if state.system().is_some() {
            return Err(Status::AlreadyProvisioned);
        }
        check_turn(&command, state.tee_id(), state.admin_counter())?;
        check_admin(&command, &command.admin)?;
        check_provision(&command)?;
        let paymaster_key = PaymasterKey::draw(&mut self.entropy)?;
        let counter = command.counter;
        let provisioned = provisioned(command, paymaster_key.address());
        self.commit(|state| state.provisioned(counter, System::new(paymaster_key, provisioned)))
    }
}

/// Checks whether a new trusted application can be provisioned with this command.
///
/// # Errors
/// `CeilingsInvalid`, `TooLarge`.
pub fn check_provision(command: &Provision) -> Result<(), Status> {
    ceilings::validate_relying_parties(&command.relying_parties)?;
    ceilings::validate(&command.ceilings)
}

/// The initial state. Relay keys are added later, one by one.
fn provisioned(command: Provision, paymaster_signer: Address) -> Provisioned {
    Provisioned {
        admin: command.admin,
        paymaster_signer,
        standby_paymaster_signer: None,
        signers: BoundedList::default(),
        relying_parties: command.relying_parties,
        ceilings: command.ceilings,
        accounts: 0,
    }
}

impl AdminCommand for SetCeilings {
    fn change(&self, current: &Provisioned) -> Result<Change, Status> {
        ceilings::validate(&self.ceilings)?;
        Ok(Change::Provisioned(Provisioned { ceilings: self.ceilings.clone(), ..current.clone() }))
    }
}
