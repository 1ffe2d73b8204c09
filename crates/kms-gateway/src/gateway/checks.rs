//! Checks that refuse a request before it costs a call to the TEE. The trusted application repeats
//! them, except for time and nonce, since it has no clock.

use std::sync::Arc;

use proto::command::{PasskeyAssertion, Provisioned, RelayApproval, WalletInfo};
use proto::digest::personal_message_hash;
use proto::signers::AuthorisedSigner;
use proto::{AccountId, Address, Permissions, RequestDigest, Status};

use super::caller::Principal;
use super::decision::{Authority, Case};
use super::{GatewayError, Inner};
use crate::recover::recover;
use crate::store::{Claim, NonceClaim};
use crate::transport::Asker;

/// Allowed difference of a request's timestamp in either direction, in seconds (protocol, section
/// 5).
pub const ALLOWED_SKEW: u64 = 300;

/// The common fields of both kinds of signing request.
pub(super) struct SigningRequest<'a> {
    pub account_id: &'a AccountId,
    pub passkey: Option<&'a PasskeyAssertion>,
    pub approval: &'a RelayApproval,
    pub digest: RequestDigest,
    pub permission: Permissions,
}

/// The expected values of the reply.
pub(super) struct Expected {
    /// The account's wallet, if its passkey approved.
    pub wallet: Option<Arc<WalletInfo>>,
    /// On whose behalf the TEE is called.
    pub asker: Asker,
}

impl Inner {
    /// Checks time, relay key, permission and passkey, and finally claims the nonce, or leaves that
    /// to the audit row.
    pub(super) async fn check(&self, request: &SigningRequest<'_>, case: &mut Case) -> Result<Expected, GatewayError> {
        let now = self.clock.now();
        let timestamp = request.approval.timestamp;
        if now.abs_diff(timestamp) > ALLOWED_SKEW {
            return Err(GatewayError::TimestampSkewed { timestamp, now, allowed: ALLOWED_SKEW });
        }
        let signer = signer(request, case.caller.principal)?;
        case.signer = Some(signer);
        let mut authority = Authority::Anyone;
        let permitted = |provisioned: &Provisioned| {
            let known = provisioned.signers.iter().find(|known| known.address == signer);
            let AuthorisedSigner { record, permissions, .. } =
                *known.ok_or(GatewayError::Refused(Status::SignerNotAuthorised))?;
            authority = Authority::RelayKey { record };
            check_permissions(permissions, request).map(|()| record)
        };
        let permitted = self.known.check(&self.tee, permitted).await;
        case.authority = authority;
        let record = permitted?;
        let asker = Asker::RelayKey { record };
        let wallet = match request.passkey {
            Some(passkey) => Some(self.check_passkey(request.account_id, passkey, case, asker).await?),
            None => None,
        };
        let claim = NonceClaim { signer, nonce: request.approval.nonce, now };
        if let Principal::OwnRelay(_) = case.caller.principal {
            // Nobody outside has seen it: it is claimed with the row, before the reply leaves.
            case.nonce_of_row = Some(claim);
            return Ok(Expected { wallet, asker });
        }
        match self.store.claim_nonce(claim).await? {
            Claim::Fresh => {
                case.claimed_nonce = Some(claim);
                Ok(Expected { wallet, asker })
            }
            Claim::Replayed => Err(GatewayError::NonceReplayed),
        }
    }

    /// Checks that the passkey belongs to the account. Only the TEE verifies its signature.
    async fn check_passkey(
        &self,
        account_id: &AccountId,
        passkey: &PasskeyAssertion,
        case: &Case,
        asker: Asker,
    ) -> Result<Arc<WalletInfo>, GatewayError> {
        let wallet = self.known.wallet(&self.tee, account_id, asker).await?;
        let known = wallet
            .passkeys
            .iter()
            .find(|known| known.credential_id == passkey.credential_id)
            .ok_or(GatewayError::Refused(Status::CredentialUnknown))?;
        let claimed = case.caller.passkey_public_key;
        if claimed.is_some_and(|claimed| claimed != known.public_key) {
            return Err(GatewayError::PublicKeyMismatch);
        }
        Ok(wallet)
    }
}

/// The relay key that approved the request.
fn signer(request: &SigningRequest<'_>, principal: Principal) -> Result<Address, GatewayError> {
    if let Principal::OwnRelay(key) = principal {
        return Ok(key);
    }
    let signer = recover(&personal_message_hash(&request.digest.0), &request.approval.signature)
        .ok_or(GatewayError::Refused(Status::RelaySignatureInvalid))?;
    match principal {
        Principal::RelaySigner(claimed) if claimed != signer => Err(GatewayError::SignerMismatch),
        _ => Ok(signer),
    }
}

fn check_permissions(granted: Permissions, request: &SigningRequest<'_>) -> Result<(), GatewayError> {
    if !granted.contains(request.permission) {
        return Err(GatewayError::Refused(Status::PermissionMissing));
    }
    if request.passkey.is_none() && !granted.contains(Permissions::SPONSOR_WITHOUT_PASSKEY) {
        return Err(GatewayError::Refused(Status::PasskeyMissing));
    }
    Ok(())
}
