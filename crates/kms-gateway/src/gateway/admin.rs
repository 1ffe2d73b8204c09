//! Commands of the admin, passed on as they were signed. The trusted application alone can judge them.

use std::sync::Arc;

use proto::Address;
use proto::command::{AdminRequest, AuthorizeSigner, Provision, RevokeSigner, RotateSigner, SetCeilings};

use super::decision::{Case, detached};
use super::{Caller, Gateway, GatewayError};
use crate::store::Action;

impl Gateway {
    /// The first command of a new TEE.
    ///
    /// # Errors
    /// The trusted application's refusal.
    pub async fn provision(&self, command: Provision, caller: &Caller) -> Result<(), GatewayError> {
        let admin = command.admin;
        self.administer(Action::Provision, Some(admin), command, caller).await
    }

    /// Admits a relay key.
    ///
    /// # Errors
    /// The trusted application's refusal.
    pub async fn authorize_signer(&self, command: AuthorizeSigner, caller: &Caller) -> Result<(), GatewayError> {
        self.administer(Action::AuthorizeSigner, Some(command.signer), command, caller).await
    }

    /// Turns a relay key away.
    ///
    /// # Errors
    /// The trusted application's refusal.
    pub async fn revoke_signer(&self, command: RevokeSigner, caller: &Caller) -> Result<(), GatewayError> {
        self.administer(Action::RevokeSigner, Some(command.signer), command, caller).await
    }

    /// Puts a new relay key in the place of another.
    ///
    /// # Errors
    /// The trusted application's refusal.
    pub async fn rotate_signer(&self, command: RotateSigner, caller: &Caller) -> Result<(), GatewayError> {
        self.administer(Action::RotateSigner, Some(command.next), command, caller).await
    }

    /// Replaces the ceilings.
    ///
    /// # Errors
    /// The trusted application's refusal.
    pub async fn set_ceilings(&self, command: SetCeilings, caller: &Caller) -> Result<(), GatewayError> {
        self.administer(Action::SetCeilings, None, command, caller).await
    }

    async fn administer<R>(
        &self,
        action: Action,
        signer: Option<Address>,
        command: R,
        caller: &Caller,
    ) -> Result<(), GatewayError>
    where
        R: AdminRequest<Reply = ()> + Send + Sync + 'static,
    {
        let case = Case { signer, ..Case::new(action, caller) };
        let inner = Arc::clone(&self.inner);
        detached(async move {
            let outcome = inner.tee.call(&command).await;
            // Even after an error: a command without an answer may have taken effect.
            inner.known.forget_provisioned();
            inner.conclude(case, outcome.map_err(GatewayError::from)).await
        })
        .await
    }
}
