//! Signed commands: who may give them, and the state each one makes. Nothing is changed here. What
//! does not depend on who signed a command is public: a host can ask it first, and spare the TEE a
//! command that would be refused.

use alloc::vec::Vec;

use proto::bytes::BoundedList;
use proto::command::{
    AdminRequest, AuthorizeSigner, Provision, Provisioned, RevokeSigner, RotatePaymasterKey, RotateSigner, SetCeilings,
    SignedCommand,
};
use proto::limits::MAX_SIGNERS;
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, Signature, Status, TeeId};

use crate::ceilings;
use crate::recover::signer_of;

/// Refuses a command for another TEE, and one that is not for the next count: a replay, or one that
/// others overtook.
pub(crate) fn check_turn(command: &impl AdminRequest, tee_id: TeeId, counter: u64) -> Result<(), Status> {
    check_tee(command, tee_id)?;
    let next = counter.checked_add(1).ok_or(Status::CounterFailed)?;
    (command.counter() == next).then_some(()).ok_or(Status::CounterMismatch)
}

/// Refuses a command that the admin did not sign.
pub(crate) fn check_admin(command: &impl AdminRequest, admin: &Address) -> Result<(), Status> {
    is_signed_by(command, &command.signature(), admin).then_some(()).ok_or(Status::AdminSignatureInvalid)
}

/// The first state. The relay keys come later, one by one.
pub(crate) fn provision(command: Provision, paymaster_signer: Address) -> Provisioned {
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

/// Whether a new trusted application can be provisioned like that.
///
/// # Errors
/// `CeilingsInvalid`, `TooLarge`.
pub fn check_provision(command: &Provision) -> Result<(), Status> {
    ceilings::validate_relying_parties(&command.relying_parties)?;
    ceilings::validate(&command.ceilings)
}

/// One record of a relay key more.
///
/// # Errors
/// `PermissionsMeaningless`, `SignerReserved`, `SignerAlreadyAuthorised`, `TooManySigners`.
pub fn authorize(current: &Provisioned, command: &AuthorizeSigner) -> Result<Provisioned, Status> {
    if command.permissions.is_meaningless() {
        return Err(Status::PermissionsMeaningless);
    }
    check_relay_key(current, &command.signer)?;
    if find(current, &command.signer).is_some() {
        return Err(Status::SignerAlreadyAuthorised);
    }
    if current.signers.len() >= MAX_SIGNERS {
        return Err(Status::TooManySigners);
    }
    let signer = AuthorisedSigner {
        record: command.counter,
        authorised_as: command.signer,
        address: command.signer,
        permissions: command.permissions,
        rotations: 0,
    };
    with_signers(current, current.signers.iter().copied().chain([signer]))
}

/// One record of a relay key less, whichever key is in it by now.
///
/// # Errors
/// `SignerRecordMismatch`.
pub fn revoke(current: &Provisioned, command: &RevokeSigner) -> Result<Provisioned, Status> {
    let is_meant =
        |signer: &AuthorisedSigner| signer.record == command.record && signer.authorised_as == command.authorised_as;
    if !current.signers.iter().any(is_meant) {
        return Err(Status::SignerRecordMismatch);
    }
    with_signers(current, current.signers.iter().copied().filter(|signer| !is_meant(signer)))
}

/// One relay key in the place of another, in the same record. It counts on the record: the admin's
/// counter stays, so what admins are signing meanwhile stays good.
pub(crate) fn rotate(current: &Provisioned, command: &RotateSigner, tee_id: TeeId) -> Result<Provisioned, Status> {
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

/// Other ceilings.
///
/// # Errors
/// `CeilingsInvalid`.
pub fn set_ceilings(current: &Provisioned, command: &SetCeilings) -> Result<Provisioned, Status> {
    ceilings::validate(&command.ceilings)?;
    Ok(Provisioned { ceilings: command.ceilings.clone(), ..current.clone() })
}

/// Whether the standby that the command names is the one there is.
///
/// # Errors
/// `StandbyKeyMismatch`.
pub fn check_standby(current: &Provisioned, command: &RotatePaymasterKey) -> Result<(), Status> {
    (current.standby_paymaster_signer == Some(command.next)).then_some(()).ok_or(Status::StandbyKeyMismatch)
}

/// Refuses as a relay key what has another role: one key in two would give each role's signatures
/// to the other. Nobody has the key of the zero address.
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

fn check_tee(command: &impl SignedCommand, tee_id: TeeId) -> Result<(), Status> {
    (command.tee_id() == tee_id).then_some(()).ok_or(Status::TeeIdMismatch)
}

fn is_signed_by(command: &impl SignedCommand, signature: &Signature, signer: &Address) -> bool {
    signer_of(&command.digest(), signature).as_ref() == Some(signer)
}

fn find<'a>(current: &'a Provisioned, address: &Address) -> Option<&'a AuthorisedSigner> {
    current.signers.iter().find(|signer| signer.address == *address)
}

fn with_signers(current: &Provisioned, signers: impl Iterator<Item = AuthorisedSigner>) -> Result<Provisioned, Status> {
    let signers: Vec<AuthorisedSigner> = signers.collect();
    Ok(Provisioned { signers: BoundedList::new(signers).map_err(|_| Status::TooManySigners)?, ..current.clone() })
}
