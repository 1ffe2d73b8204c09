//! Signs messages with the keys of accounts. Anyone may ask, with a passkey of the account: its
//! approval is verified before the TEE is called, so that strangers cost the TEE nothing, and what
//! the holder of a passkey may have signed is rationed.

use std::sync::Arc;

use proto::Status;
use proto::command::{SignMessage, SignMessageReply, WalletInfo};

use super::decision::{Authority, Case, detached};
use super::strangers::Inquirer;
use super::{Caller, Gateway, GatewayError, Inner, replies};
use crate::store::Action;
use crate::tee::TeeError;

impl Gateway {
    /// The account's signature over a message that its passkey approved. The reply was checked
    /// against the request, and the decision is in the audit with the digest.
    ///
    /// # Errors
    /// `message_rationed`, `account_unknown`, the trusted application's refusals of the message and
    /// of the assertion, or if the TEE does not answer.
    pub async fn sign_message(&self, command: SignMessage, caller: &Caller) -> Result<SignMessageReply, GatewayError> {
        let mut case = Case::new(Action::SignMessage, caller);
        let wallet = match self.check_message(&command, &mut case).await {
            Ok(wallet) => wallet,
            Err(error) => return self.inner.conclude(case, Err(error)).await,
        };
        let inner = Arc::clone(&self.inner);
        detached(async move {
            let outcome = inner.try_sign_message(command, &wallet, &mut case).await;
            inner.conclude(case, outcome).await
        })
        .await
    }

    /// What the trusted application would refuse. Only who holds the passkey gets past the
    /// approval: the TEE is asked for its ceilings after that, since each request asks for them
    /// anew before it is provisioned.
    async fn check_message(&self, command: &SignMessage, case: &mut Case) -> Result<WalletInfo, GatewayError> {
        case.account_id = Some(command.account_id.clone());
        case.caller.context_hash = Some(command.digest());
        let wallet = self.wallet(&command.account_id, &case.caller).await?;
        let mut passkeys = wallet.passkeys.iter();
        let passkey = passkeys.find(|known| known.credential_id == command.passkey.credential_id);
        let passkey = passkey.ok_or(Status::CredentialUnknown)?;
        ta::check_approval(&command.passkey, &passkey.public_key, &command.intent_hash())?;
        ta::check_message(command, &self.provisioned().await?.ceilings)?;
        Ok(wallet)
    }
}

impl Inner {
    async fn try_sign_message(
        &self,
        command: SignMessage,
        wallet: &WalletInfo,
        case: &mut Case,
    ) -> Result<SignMessageReply, GatewayError> {
        let turn = self.messages.turn(Inquirer::of(&case.caller)).await?;
        self.message_ration.take(&command.account_id, self.clock.now())?;
        let reply = self.tee.call(&command).await;
        drop(turn);
        if let Err(TeeError::Busy(_) | TeeError::NotAdmitted(_)) = &reply {
            // It was not sent, so it neither counts nor has a row.
            self.message_ration.give_back(&command.account_id);
        } else {
            // A refusal has a row: their number is limited by the ration.
            case.authority = Authority::Counted;
        }
        let reply = reply?;
        replies::check_message(&command, &reply, wallet)?;
        Ok(reply)
    }
}
