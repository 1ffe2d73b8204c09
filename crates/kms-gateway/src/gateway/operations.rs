//! Sponsors operations, and signs operations as given.

use std::sync::Arc;

use proto::command::{SignReply, SignWithHybridKey, Sponsor, SponsorReply};
use proto::{Permissions, Status};

use super::checks::SigningRequest;
use super::decision::{Case, detached};
use super::{Caller, Gateway, GatewayError, Inner, replies};
use crate::store::Action;
use crate::tee::TeeError;

impl Gateway {
    /// The paymaster's signature over an operation, and the account's if its passkey approved. The
    /// reply was checked against the request, and the decision is in the audit.
    ///
    /// # Errors
    /// Every refusal of the gateway and of the trusted application.
    pub async fn sponsor(&self, command: Sponsor, caller: &Caller) -> Result<SponsorReply, GatewayError> {
        let (inner, mut case) = (Arc::clone(&self.inner), Case::new(Action::Sponsor, caller));
        detached(async move {
            let outcome = inner.try_sponsor(command, &mut case).await;
            inner.conclude(case, outcome).await
        })
        .await
    }

    /// The account's signature over an operation as given.
    ///
    /// # Errors
    /// Every refusal of the gateway and of the trusted application.
    pub async fn sign_user_operation(
        &self,
        command: SignWithHybridKey,
        caller: &Caller,
    ) -> Result<SignReply, GatewayError> {
        let (inner, mut case) = (Arc::clone(&self.inner), Case::new(Action::SignUserOperation, caller));
        detached(async move {
            let outcome = inner.try_sign(command, &mut case).await;
            inner.conclude(case, outcome).await
        })
        .await
    }

    /// Refuses, and counts, a request that could not be parsed into a command.
    pub(crate) fn refuse(&self, action: Action, status: Status) -> GatewayError {
        let refusal = GatewayError::Refused(status);
        self.inner.metrics.decided(action.as_str(), refusal.reason().as_str());
        refusal
    }
}

impl Inner {
    async fn try_sponsor(&self, command: Sponsor, case: &mut Case) -> Result<SponsorReply, GatewayError> {
        case.account_id = Some(command.account_id.clone());
        case.user_op_hash = Some(command.op.hash(&command.entry_point));
        let request = SigningRequest {
            account_id: &command.account_id,
            passkey: command.passkey.as_ref(),
            approval: &command.approval,
            digest: command.request_digest(),
            permission: Permissions::SPONSOR,
        };
        let expected = self.check(&request, case).await?;
        let reply = self.asked(self.tee.call_for(expected.asker, &command).await).await?;
        if !self.known.is_paymaster_signer(&self.tee, reply.paymaster_signer).await? {
            return Err(GatewayError::TeeReplyInvalid);
        }
        replies::check_sponsored(&command, &reply, expected.wallet.as_deref())?;
        case.user_op_hash = Some(reply.user_op_hash);
        Ok(reply)
    }

    async fn try_sign(&self, command: SignWithHybridKey, case: &mut Case) -> Result<SignReply, GatewayError> {
        case.account_id = Some(command.account_id.clone());
        case.user_op_hash = Some(command.op.hash(&command.entry_point));
        let request = SigningRequest {
            account_id: &command.account_id,
            passkey: Some(&command.passkey),
            approval: &command.approval,
            digest: command.request_digest(),
            permission: Permissions::SIGN_USER_OPERATION,
        };
        let expected = self.check(&request, case).await?;
        let wallet = expected.wallet.ok_or(GatewayError::Internal)?;
        let reply = self.asked(self.tee.call_for(expected.asker, &command).await).await?;
        replies::check_signed(&command, &reply, &wallet)?;
        Ok(reply)
    }

    /// If the TEE refuses a key that the gateway accepted, the gateway's copy of the state is
    /// outdated.
    async fn asked<T>(&self, reply: Result<T, TeeError>) -> Result<T, GatewayError> {
        match reply {
            Ok(reply) => Ok(reply),
            Err(error) => {
                if let TeeError::Refused(Status::SignerNotAuthorised | Status::PermissionMissing) = error {
                    self.known.forget_provisioned();
                }
                Err(self.with_ceiling(error.into()).await)
            }
        }
    }
}
