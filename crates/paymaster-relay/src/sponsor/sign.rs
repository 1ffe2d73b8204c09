//! Has the KMS sign an approved request, and checks its reply.

use std::sync::Arc;

use proto::command::{RelayApproval, Sponsor, SponsorReply};
use proto::paymaster::paymaster_digest;
use proto::{Hash, Signature, Status};

use super::approve::Approved;
use crate::error::RelayError;
use crate::kms::{Kms, Wallets};
use crate::parts::Parts;
use crate::paymaster_signers::PaymasterSigners;
use crate::ports::{Clock, Entropy};
use crate::relay_key::{Lease, RelayKey};
use crate::secp256k1;

/// Requests signatures from the KMS.
pub(super) struct Signing {
    kms: Arc<dyn Kms>,
    wallets: Arc<Wallets>,
    paymaster_signers: Arc<PaymasterSigners>,
    relay_key: Arc<RelayKey>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Signing {
    pub(super) fn new(wallets: Arc<Wallets>, paymaster_signers: Arc<PaymasterSigners>, parts: &Parts) -> Self {
        let Parts { kms, relay_key, clock, entropy, .. } = parts.clone();
        Self { kms, wallets, paymaster_signers, relay_key, clock, entropy }
    }

    /// Returns the command and the reply, which is not checked yet.
    pub(super) async fn ask_kms(&self, approved: &Approved) -> Result<(Sponsor, SponsorReply), RelayError> {
        match self.ask_kms_once(approved).await {
            // A rotation with an unknown outcome may have replaced our key.
            Err(error)
                if error.is_kms_refusal(Status::SignerNotAuthorised) && self.relay_key.open_rotation().is_some() =>
            {
                if let Err(unresolved) = self.relay_key.resolve().await {
                    tracing::warn!(error = %unresolved, "the relay key is unresolved");
                }
                self.ask_kms_once(approved).await
            }
            // The policy allows it, and the client is not at fault.
            Err(error) if error.is_kms_refusal(Status::PasskeyMissing) && approved.request().passkey.is_none() => {
                Err(RelayError::WithoutPasskeyNotPermitted)
            }
            outcome => outcome,
        }
    }

    /// The lease lasts until the reply arrives: a rotation waits for it.
    async fn ask_kms_once(&self, approved: &Approved) -> Result<(Sponsor, SponsorReply), RelayError> {
        let lease = self.relay_key.lease().await;
        let command = self.command(approved, &lease)?;
        let reply = self.kms.sponsor(&command, lease.address(), &approved.request().request_id).await?;
        Ok((command, reply))
    }

    fn command(&self, approved: &Approved, lease: &Lease<'_>) -> Result<Sponsor, RelayError> {
        let request = approved.request();
        let mut nonce = [0; 8];
        self.entropy.fill(&mut nonce)?;
        let mut command = Sponsor {
            entry_point: request.draft.deployment.entry_point,
            account_id: request.draft.account_id.clone(),
            op: request.draft.op.clone(),
            terms: *approved.terms(),
            passkey: request.passkey.clone(),
            approval: RelayApproval {
                nonce: u64::from_be_bytes(nonce),
                timestamp: self.clock.now(),
                signature: Signature::UNSIGNED,
            },
        };
        command.approval.signature = lease.approve(&command.request_digest());
        Ok(command)
    }

    /// Checks the paymaster's signature, unless the gateway in this process has just done so.
    pub(super) async fn check_paymaster(&self, command: &Sponsor, reply: &SponsorReply) -> Result<(), RelayError> {
        if !self.kms.checks_replies() && !is_signed_by_its_paymaster(command, reply) {
            return wrong("the paymaster's signature does not match");
        }
        if !self.paymaster_signers.is_ours(reply.paymaster_signer).await? {
            return wrong("another key signed for the paymaster");
        }
        Ok(())
    }

    /// Checks the rest of the reply, unless the gateway in this process has: the hash, and the
    /// account's signature over it.
    pub(super) async fn check_account(&self, command: &Sponsor, reply: &SponsorReply) -> Result<(), RelayError> {
        if self.kms.checks_replies() {
            return Ok(());
        }
        if reply.user_op_hash != command.final_op(&reply.paymaster_signature).hash(&command.entry_point) {
            return wrong("userOpHash does not match");
        }
        match (&command.passkey, &reply.account_signature) {
            (Some(_), Some(signature)) => {
                let wallet = self.wallets.of(&command.account_id).await?;
                let digest = wallet.signature_scheme.digest(&reply.user_op_hash);
                if secp256k1::recover(&digest, signature) != Some(wallet.owner) {
                    return wrong("the account's signature is not by its owner");
                }
                Ok(())
            }
            (None, None) => Ok(()),
            _ => wrong("the account's signature is missing, or present without a passkey"),
        }
    }
}

fn is_signed_by_its_paymaster(command: &Sponsor, reply: &SponsorReply) -> bool {
    let digest = paymaster_digest(&command.op, &command.entry_point, &command.terms);
    secp256k1::recover(&Hash(digest.0), &reply.paymaster_signature) == Some(reply.paymaster_signer)
}

fn wrong(detail: &'static str) -> Result<(), RelayError> {
    Err(RelayError::KmsReplyInvalid { detail })
}
