//! The signatures that an admin command needs. The trusted application checks the same; the check
//! here refuses senders that have none.

use proto::command::{self, AdminRequest, Provision, Provisioned, RotateSigner, SecurityState, SignedCommand};
use proto::{Address, Permissions, Signature, Status};
use ta::admin::{self, AdminCommand as _};

use crate::admin_key::signer_of;

/// A command that contains its own proof.
pub trait AdminProof: SignedCommand<Reply = ()> + Send + Sync + 'static {
    /// The admin's counter it is signed for; `None` for a rotation, which uses the counter of its
    /// relay key's record.
    fn admin_counter(&self) -> Option<u64>;

    /// The record of the relay key that gives this command itself, without the admin.
    fn rationed_record(&self) -> Option<u64> {
        None
    }

    /// Checks the command against the TEE's last report: the TEE it is for, its signatures, and
    /// that its count is the next one.
    ///
    /// # Errors
    /// The status with which the trusted application refuses it.
    fn check(&self, state: &SecurityState) -> Result<(), Status>;

    /// Checks whether it could take effect, by the TEE's last report.
    ///
    /// # Errors
    /// The status with which the trusted application refuses it, whoever signed it.
    fn check_content(&self, state: &SecurityState) -> Result<(), Status>;
}

impl AdminProof for Provision {
    fn admin_counter(&self) -> Option<u64> {
        Some(self.counter)
    }

    fn check(&self, state: &SecurityState) -> Result<(), Status> {
        match state.provisioned {
            Some(_) => Err(Status::AlreadyProvisioned),
            None => check_admin_command(self, &self.admin, state),
        }
    }

    fn check_content(&self, _: &SecurityState) -> Result<(), Status> {
        admin::check_provision(self)
    }
}

macro_rules! by_the_admin {
    ($($command:ident),*) => {
        $(impl AdminProof for command::$command {
            fn admin_counter(&self) -> Option<u64> {
                Some(self.counter)
            }

            fn check(&self, state: &SecurityState) -> Result<(), Status> {
                check_admin_command(self, &present(state)?.admin, state)
            }

            fn check_content(&self, state: &SecurityState) -> Result<(), Status> {
                self.change(present(state)?).map(drop)
            }
        })*
    };
}

proto::admin_commands!(by_the_admin);

impl AdminProof for RotateSigner {
    fn admin_counter(&self) -> Option<u64> {
        None
    }

    fn rationed_record(&self) -> Option<u64> {
        self.admin_signature.is_none().then_some(self.record)
    }

    fn check(&self, state: &SecurityState) -> Result<(), Status> {
        let provisioned = present(state)?;
        check_tee(self, state)?;
        let both_signed = is_signed_by(self, &self.current_signature, &self.current)
            && is_signed_by(self, &self.next_signature, &self.next);
        if !both_signed {
            return Err(Status::RotationProofInvalid);
        }
        let leaving = provisioned.signers.iter().find(|signer| signer.address == self.current);
        let leaving = leaving.ok_or(Status::SignerNotAuthorised)?;
        if leaving.record != self.record {
            return Err(Status::SignerRecordMismatch);
        }
        match &self.admin_signature {
            Some(signature) => signed_by_admin(self, signature, &provisioned.admin)?,
            None if leaving.permissions.contains(Permissions::ROTATE) => {}
            None => return Err(Status::AdminSignatureInvalid),
        }
        if provisioned.signers.iter().any(|signer| signer.address == self.next) {
            return Err(Status::SignerAlreadyAuthorised);
        }
        admin::check_relay_key(provisioned, &self.next)?;
        is_next(leaving.rotations, self.rotation)
    }

    /// Its preconditions are checked together with the record.
    fn check_content(&self, _: &SecurityState) -> Result<(), Status> {
        Ok(())
    }
}

/// Exactly the next one: the trusted application refuses every other, and such a command would
/// remain valid for another attempt.
fn is_next(last: u64, count: u64) -> Result<(), Status> {
    (last.checked_add(1) == Some(count)).then_some(()).ok_or(Status::CounterMismatch)
}

fn check_admin_command(command: &impl AdminRequest, admin: &Address, state: &SecurityState) -> Result<(), Status> {
    check_tee(command, state)?;
    signed_by_admin(command, &command.signature(), admin)?;
    is_next(state.counter, command.counter())
}

fn check_tee(command: &impl SignedCommand, state: &SecurityState) -> Result<(), Status> {
    (command.tee_id() == state.tee_id).then_some(()).ok_or(Status::TeeIdMismatch)
}

fn present(state: &SecurityState) -> Result<&Provisioned, Status> {
    state.provisioned.as_ref().ok_or(Status::NotProvisioned)
}

fn signed_by_admin(command: &impl SignedCommand, signature: &Signature, admin: &Address) -> Result<(), Status> {
    is_signed_by(command, signature, admin).then_some(()).ok_or(Status::AdminSignatureInvalid)
}

/// The only place that defines what an admin signs: [`signer_of`] recovers from the command's
/// digest.
fn is_signed_by(command: &impl SignedCommand, signature: &Signature, expected: &Address) -> bool {
    signer_of(command, signature).as_ref() == Some(expected)
}
