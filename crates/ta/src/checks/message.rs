//! The checks before an account signs a message (protocol, section 2.8).

use proto::command::{Ceilings, MessageForm, OPERATION_HASH_LENGTH, SignMessage};
use proto::{Address, Status};

use super::CheckedMessage;
use super::sponsor::approve;
use crate::accounts::Account;
use crate::system::System;
use crate::webauthn::verify_assertion;

impl<'a> CheckedMessage<'a> {
    /// Runs all of the checks. `account` is the one the command names, if it exists.
    pub(crate) fn new(command: &SignMessage, system: &System, account: Option<&'a Account>) -> Result<Self, Status> {
        check_message(command, &system.provisioned().ceilings)?;
        let user = approve(&command.intent_hash(), &command.passkey, verify_assertion, system, account)?;
        Ok(Self { user, digest: command.digest() })
    }
}

/// Refuses what could be read as an approval of an operation. A host can check it before it calls.
///
/// # Errors
/// `MessageEmpty`; `MessageIsHash`: the EIP-191 signature of 32 bytes is that of an operation with
/// this hash, and so is `PersonalSign` for an account that verifies operations as it does messages;
/// `DomainNotAllowed`: the domain is an EntryPoint's.
pub fn check_message(command: &SignMessage, ceilings: &Ceilings) -> Result<(), Status> {
    match command.message.len() {
        0 => return Err(Status::MessageEmpty),
        OPERATION_HASH_LENGTH => return Err(Status::MessageIsHash),
        _ => {}
    }
    match &command.form {
        MessageForm::PersonalSign(domain)
            if domain.is_of_entry_point() || is_entry_point(ceilings, domain.verifying_contract) =>
        {
            Err(Status::DomainNotAllowed)
        }
        MessageForm::Eip191 | MessageForm::PersonalSign(_) => Ok(()),
    }
}

fn is_entry_point(ceilings: &Ceilings, address: Address) -> bool {
    ceilings.deployments.iter().any(|deployment| deployment.entry_point.address == address)
}
