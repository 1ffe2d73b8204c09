//! The checks before a sponsorship is signed (protocol, section 2).

use proto::command::{Deployment, PasskeyAssertion, Sponsor};
use proto::paymaster::paymaster_digest;
use proto::{IntentHash, Permissions, Signature, Status, UserOpHash, UserOperation};

use super::{CheckedOperation, CheckedSponsorship, UserApproval};
use crate::accounts::Account;
use crate::allowances::Bill;
use crate::ceilings;
use crate::relay::{self, RelayApproved};
use crate::system::System;
use crate::webauthn::{Verify, verify_operation};

impl<'a> CheckedSponsorship<'a> {
    /// Runs all of the checks. `account` is the one the command names, if it exists.
    pub(crate) fn new(command: &'a Sponsor, system: &System, account: Option<&'a Account>) -> Result<Self, Status> {
        let provisioned = system.provisioned();
        let approval = &command.approval;
        check_operation(command)?;
        let cost = ceilings::check_sponsorship(
            &provisioned.ceilings,
            &command.entry_point,
            &command.op,
            &command.terms,
            approval.timestamp,
        )?;
        let relay = relay::approve(&command.request_digest(), approval, &provisioned.signers)?;
        relay.require(Permissions::SPONSOR)?;
        let user = match &command.passkey {
            Some(assertion) => Some(approve(&command.intent_hash(), assertion, verify_operation, system, account)?),
            None => do_without(&relay)?,
        };
        let entry_point = command.entry_point;
        let bill = Bill {
            deployment: Deployment { entry_point, paymaster: command.terms.paymaster },
            signer: provisioned.paymaster_signer,
            digest: paymaster_digest(&command.op, &entry_point, &command.terms),
            cost,
        };
        Ok(Self { command, bill, user })
    }

    /// What to charge for it, with the digest that the paymaster contract checks.
    pub(crate) fn bill(&self) -> &Bill {
        &self.bill
    }

    /// The hash of the operation with the paymaster's signature in it, and the operation to sign if
    /// the user approved it.
    pub(crate) fn complete(&self, paymaster_signature: &Signature) -> (UserOpHash, Option<CheckedOperation<'a>>) {
        let final_op = self.command.final_op(paymaster_signature);
        let hash = final_op.hash(&self.command.entry_point);
        (hash, self.user.map(|user| CheckedOperation { user, hash }))
    }
}

fn check_operation(command: &Sponsor) -> Result<(), Status> {
    if command.op.paymaster.is_some() {
        return Err(Status::PaymasterPresent);
    }
    let with_terms = UserOperation { paymaster: Some(command.terms.unsigned()), ..command.op.clone() };
    let version = command.entry_point.version;
    command.op.check(version).map_err(|_| Status::OperationInvalid)?;
    with_terms.check(version).map_err(|_| Status::TermsInvalid)
}

pub(super) fn approve<'a>(
    intent: &IntentHash,
    assertion: &PasskeyAssertion,
    verify: Verify,
    system: &System,
    account: Option<&'a Account>,
) -> Result<UserApproval<'a>, Status> {
    let account = account.ok_or(Status::AccountUnknown)?;
    let passkey = account.passkey(&assertion.credential_id).ok_or(Status::CredentialUnknown)?;
    let relying_parties = &system.provisioned().relying_parties;
    let gesture = verify(assertion, passkey, relying_parties, intent)?;
    Ok(UserApproval { account, gesture })
}

fn do_without(relay: &RelayApproved) -> Result<Option<UserApproval<'static>>, Status> {
    if relay.may(Permissions::SPONSOR_WITHOUT_PASSKEY) { Ok(None) } else { Err(Status::PasskeyMissing) }
}
