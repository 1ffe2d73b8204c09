//! The checks before an account signs an operation as given (protocol, section 5).

use proto::command::SignWithHybridKey;
use proto::{Address, Permissions, Status};

use super::CheckedOperation;
use super::sponsor::approve;
use crate::accounts::Account;
use crate::system::System;
use crate::webauthn::verify_operation;
use crate::{ceilings, relay};

impl<'a> CheckedOperation<'a> {
    /// Runs all of the checks. `account` is the one the command names, if it exists.
    pub(crate) fn new(
        command: &SignWithHybridKey,
        system: &System,
        account: Option<&'a Account>,
    ) -> Result<Self, Status> {
        let provisioned = system.provisioned();
        // Without a paymaster, the operation would have the same hash as the one a user approves
        // for sponsoring, and the account would pay. An EntryPoint treats the zero address as no
        // paymaster, whatever follows it.
        let has_paymaster =
            command.op.paymaster.as_ref().is_some_and(|paymaster| paymaster.address != Address::default());
        if !has_paymaster {
            return Err(Status::PaymasterMissing);
        }
        let version = command.entry_point.version;
        command.op.check(version).map_err(|_| Status::OperationInvalid)?;
        ceilings::check_entry_point(&provisioned.ceilings, &command.entry_point)?;
        let digest = command.request_digest();
        let relay = relay::approve(&digest, &command.approval, &provisioned.signers)?;
        relay.require(Permissions::SIGN_USER_OPERATION)?;
        let user = approve(&command.intent_hash(), &command.passkey, verify_operation, system, account)?;
        let hash = command.op.hash(&command.entry_point);
        Ok(Self { user, hash })
    }
}
