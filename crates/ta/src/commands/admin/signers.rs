//! The relay keys: who may sign, and what.

use alloc::vec::Vec;

use proto::bytes::BoundedList;
use proto::command::{AuthorizeSigner, Provisioned, RevokeSigner, RotateSigner};
use proto::limits::MAX_SIGNERS;
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, Status, TeeId};

use super::{AdminCommand, Change, check_tee, is_signed_by};
use crate::core::Core;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};

/// Adds a relay key record.
impl AdminCommand for AuthorizeSigner {
    fn change(&self, current: &Provisioned) -> Result<Change, Status> {
        if self.permissions.is_meaningless() {
            return Err(Status::PermissionsMeaningless);
        }
        check_relay_key(current, &self.signer)?;
        if find(current, &self.signer).is_some() {
            return Err(Status::SignerAlreadyAuthorised);
        }
        if current.signers.len() >= MAX_SIGNERS {
            return Err(Status::TooManySigners);
        }
        let signer = AuthorisedSigner {
            record: self.counter,
            authorised_as: self.signer,
            address: self.signer,
            permissions: self.permissions,
            rotations: 0,
        };
        with_signers(current, current.signers.iter().copied().chain([signer])).map(Change::Provisioned)
    }
}

/// Removes a relay key record, whichever key it holds by then.
impl AdminCommand for RevokeSigner {
    fn change(&self, current: &Provisioned) -> Result<Change, Status> {
        let is_meant =
            |signer: &AuthorisedSigner| signer.record == self.record && signer.authorised_as == self.authorised_as;
        if !current.signers.iter().any(is_meant) {
            return Err(Status::SignerRecordMismatch);
        }
        with_signers(current, current.signers.iter().copied().filter(|signer| !is_meant(signer)))
            .map(Change::Provisioned)
    }
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    /// Who must sign a rotation depends on the current key's permissions.
    pub(in crate::commands) fn rotate(&mut self, command: &RotateSigner) -> Result<(), Status> {
        let next = rotated(self.system()?.provisioned(), command, self.state()?.tee_id())?;
        self.commit(|state| state.changed(|system| system.with(next)))
    }
}

/// Replaces one relay key by another in the same record. The rotation uses the record's own
/// counter; the admin's stays, so commands that admins are signing meanwhile remain valid.
fn rotated(current: &Provisioned, command: &RotateSigner, tee_id: TeeId) -> Result<Provisioned, Status> {
    check_tee(command, tee_id)?;
    let leaving = find(current, &command.current).ok_or(Status::SignerNotAuthorised)?;
    if leaving.record != command.record {
        return Err(Status::SignerRecordMismatch);
    }
    let rotations = leaving.rotations.checked_add(1).ok_or(Status::CounterFailed)?;
    if command.rotation != rotations {
        return Err(Status::CounterMismatch);
    }
    check_relay_key(current, &command.next)?;
    if find(current, &command.next).is_some() {
        return Err(Status::SignerAlreadyAuthorised);
    }
    let both_signed = is_signed_by(command, &command.current_signature, &command.current)
        && is_signed_by(command, &command.next_signature, &command.next);
    if !both_signed {
        return Err(Status::RotationProofInvalid);
    }
    match &command.admin_signature {
        Some(signature) if is_signed_by(command, signature, &current.admin) => {}
        None if leaving.permissions.contains(Permissions::ROTATE) => {}
        _ => return Err(Status::AdminSignatureInvalid),
    }
    let replace = |signer: AuthorisedSigner| {
        if signer.record == command.record {
            AuthorisedSigner { address: command.next, rotations, ..signer }
        } else {
            signer
        }
    };
    with_signers(current, current.signers.iter().copied().map(replace))
}

/// Refuses a relay key that already has another role: with one key in two roles, each role's
/// signatures would be valid for the other. Nobody holds the key of the zero address.
///
/// # Errors
/// `SignerReserved`.
pub fn check_relay_key(current: &Provisioned, key: &Address) -> Result<(), Status> {
    let is_reserved = *key == Address::default()
        || *key == current.admin
        || *key == current.paymaster_signer
        || Some(*key) == current.standby_paymaster_signer;
    if is_reserved { Err(Status::SignerReserved) } else { Ok(()) }
}

fn find<'a>(current: &'a Provisioned, address: &Address) -> Option<&'a AuthorisedSigner> {
    current.signers.iter().find(|signer| signer.address == *address)
}

fn with_signers(current: &Provisioned, signers: impl Iterator<Item = AuthorisedSigner>) -> Result<Provisioned, Status> {
    let signers: Vec<AuthorisedSigner> = signers.collect();
    Ok(Provisioned { signers: BoundedList::new(signers).map_err(|_| Status::TooManySigners)?, ..current.clone() })
}
