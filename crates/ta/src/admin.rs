//! Commands of the admin: who may give them, and the state each one makes. Nothing is changed here.

use alloc::vec::Vec;

use proto::bytes::BoundedList;
use proto::command::{AdminRequest, AuthorizeSigner, Provision, Provisioned, RevokeSigner, RotateSigner, SetCeilings};
use proto::limits::MAX_SIGNERS;
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, Signature, Status};

use crate::ceilings;
use crate::recover::personal_signer;

/// Refuses a command that is not for the next count: a replay, or one that others overtook.
pub(crate) fn check_counter(command: &impl AdminRequest, counter: u64) -> Result<(), Status> {
    let next = counter.checked_add(1).ok_or(Status::CounterFailed)?;
    (command.counter() == next).then_some(()).ok_or(Status::CounterMismatch)
}

/// Refuses a command that the admin did not sign.
pub(crate) fn check_admin(command: &impl AdminRequest, signature: &Signature, admin: &Address) -> Result<(), Status> {
    is_signed_by(command, signature, admin).then_some(()).ok_or(Status::AdminSignatureInvalid)
}

/// The first state. The relay keys come later, one by one.
pub(crate) fn provision(command: Provision, paymaster_signer: Address) -> Provisioned {
    Provisioned {
        admin: command.admin,
        paymaster_signer,
        signers: BoundedList::default(),
        relying_parties: command.relying_parties,
        ceilings: command.ceilings,
    }
}

/// Whether a new trusted application can be provisioned like that.
pub(crate) fn check_provision(command: &Provision) -> Result<(), Status> {
    ceilings::validate_relying_parties(&command.relying_parties)?;
    ceilings::validate(&command.ceilings)
}

/// One relay key more.
pub(crate) fn authorize(current: &Provisioned, command: &AuthorizeSigner) -> Result<Provisioned, Status> {
    if command.permissions.is_meaningless() {
        return Err(Status::PermissionsMeaningless);
    }
    if find(current, &command.signer).is_some() {
        return Err(Status::SignerAlreadyAuthorised);
    }
    if current.signers.len() >= MAX_SIGNERS {
        return Err(Status::TooManySigners);
    }
    let signer = AuthorisedSigner { address: command.signer, permissions: command.permissions };
    with_signers(current, current.signers.iter().copied().chain([signer]))
}

/// One relay key less.
pub(crate) fn revoke(current: &Provisioned, command: &RevokeSigner) -> Result<Provisioned, Status> {
    find(current, &command.signer).ok_or(Status::SignerNotAuthorised)?;
    let stays = |signer: &AuthorisedSigner| signer.address != command.signer;
    with_signers(current, current.signers.iter().copied().filter(stays))
}

/// One relay key in the place of another, with the same permissions.
pub(crate) fn rotate(current: &Provisioned, command: &RotateSigner) -> Result<Provisioned, Status> {
    let leaving = find(current, &command.current).ok_or(Status::SignerNotAuthorised)?;
    if find(current, &command.next).is_some() {
        return Err(Status::SignerAlreadyAuthorised);
    }
    let both_signed = is_signed_by(command, &command.current_signature, &command.current)
        && is_signed_by(command, &command.next_signature, &command.next);
    if !both_signed {
        return Err(Status::RotationProofInvalid);
    }
    match &command.admin_signature {
        Some(signature) => check_admin(command, signature, &current.admin)?,
        None if leaving.permissions.contains(Permissions::ROTATE) => {}
        None => return Err(Status::AdminSignatureInvalid),
    }
    let replace = |signer: AuthorisedSigner| {
        if signer.address == command.current { AuthorisedSigner { address: command.next, ..signer } } else { signer }
    };
    with_signers(current, current.signers.iter().copied().map(replace))
}

/// Other ceilings.
pub(crate) fn set_ceilings(current: &Provisioned, command: &SetCeilings) -> Result<Provisioned, Status> {
    ceilings::validate(&command.ceilings)?;
    Ok(Provisioned { ceilings: command.ceilings.clone(), ..current.clone() })
}

fn is_signed_by(command: &impl AdminRequest, signature: &Signature, signer: &Address) -> bool {
    personal_signer(&command.challenge().0, signature).as_ref() == Some(signer)
}

fn find<'a>(current: &'a Provisioned, address: &Address) -> Option<&'a AuthorisedSigner> {
    current.signers.iter().find(|signer| signer.address == *address)
}

fn with_signers(current: &Provisioned, signers: impl Iterator<Item = AuthorisedSigner>) -> Result<Provisioned, Status> {
    let signers: Vec<AuthorisedSigner> = signers.collect();
    Ok(Provisioned { signers: BoundedList::new(signers).map_err(|_| Status::TooManySigners)?, ..current.clone() })
}
