//! The relay's port to the KMS, with the gateway in the same process. The other implementation uses
//! HTTP.

use async_trait::async_trait;
use kms_api::ReceivedReason;
use kms_gateway::{Caller, Gateway, GatewayError};
use paymaster_relay::kms::{Kms, KmsError, KmsSigners};
use proto::command::{Allowances, RotateSigner, Sponsor, SponsorReply, WalletInfo};
use proto::{AccountId, Address, Status};

/// A gateway in the same process, as the relay's KMS.
pub struct InProcessKms {
    pub gateway: Gateway,
    /// The URL it is served at.
    pub url: String,
}

#[async_trait]
impl Kms for InProcessKms {
    async fn sponsor(&self, command: &Sponsor, approver: Address, request_id: &str) -> Result<SponsorReply, KmsError> {
        self.gateway.sponsor(command.clone(), &Caller::own_relay(request_id, approver)).await.map_err(refusal)
    }

    fn checks_replies(&self) -> bool {
        true
    }

    async fn wallet(&self, account_id: &AccountId) -> Result<WalletInfo, KmsError> {
        self.gateway.wallet(account_id, &Caller::internal("account")).await.map_err(refusal)
    }

    async fn signers(&self) -> Result<KmsSigners, KmsError> {
        let state = self.gateway.security_state().await.map_err(refusal)?;
        let allowances = self.gateway.recent_allowances().await.map_err(refusal)?;
        let provisioned = state.provisioned.ok_or_else(|| refusal(GatewayError::Refused(Status::NotProvisioned)))?;
        Ok(KmsSigners {
            tee_id: state.tee_id,
            paymaster_signer: provisioned.paymaster_signer,
            standby_paymaster_signer: provisioned.standby_paymaster_signer,
            signers: provisioned.signers.to_vec(),
            rp_id: Some(self.gateway.settings().rp_id.clone()),
            ceilings: Some(provisioned.ceilings),
            allowances: allowances.map(|told| Allowances::clone(&told)),
        })
    }

    async fn rotate_signer(&self, command: &RotateSigner) -> Result<(), KmsError> {
        self.gateway.administer(*command, &Caller::internal("rotation")).await.map_err(refusal)
    }

    async fn ready(&self) -> Result<(), KmsError> {
        self.gateway.ready().await.map(drop).map_err(refusal)
    }

    fn url(&self) -> Option<String> {
        Some(self.url.clone())
    }

    fn remembers_unknown_accounts(&self) -> bool {
        true
    }
}

/// As over HTTP: errors of the gateway or its TEE do not concern the request.
fn refusal(error: GatewayError) -> KmsError {
    let message = error.to_string();
    let reason = ReceivedReason::from(error.reason());
    if reason.is_decision(error.reason().http_status()) {
        KmsError::Refused { reason, message }
    } else {
        // The gateway's guarantee: no signature left it.
        KmsError::Unavailable { message, in_doubt: false }
    }
}
