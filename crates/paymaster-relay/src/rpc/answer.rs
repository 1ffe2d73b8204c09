//! Conversions from the relay's results to the methods' answers.

use proto::IntentHash;
use proto::json::invitation::{Invitation, SignedInvitation};
use proto::json::passkey::to_base64url;
use proto::json::{PAYMASTER_FIELDS, hex_bytes, paymaster_fields};
use relay_api::{
    Credential, CredentialRequest, LaterPaymasterFields, PaymasterFields, PolicyLimit, SponsorName, SponsoredOperation,
    StubData, VerificationProof,
};
use serde_json::{Map, Value};

use super::RequestId;
use crate::clients::Caller;
use crate::policy::Policy;
use crate::sponsor::{AccountInfo, Intent, Sponsored, Stub};

/// Milliseconds that a browser gives the user, as recommended by WebAuthn Level 3 (section 15.1).
const CEREMONY_TIMEOUT: u32 = 300_000;

pub(super) fn sponsored(
    sponsored: &Sponsored,
    document: Map<String, Value>,
    request_id: &RequestId,
) -> SponsoredOperation {
    let Sponsored { entry_point, terms, paymaster, signed, .. } = sponsored;
    let version = entry_point.version;
    let has_passkey = signed.account_signature.is_some();

    let mut user_operation = document;
    user_operation.retain(|name, _| !PAYMASTER_FIELDS.contains(&name.as_str()));
    user_operation.extend(paymaster_fields(paymaster, version));
    if let Some(signature) = &signed.account_signature {
        user_operation.insert("signature".to_owned(), signature.to_string().into());
    }

    SponsoredOperation {
        success: true,
        user_operation,
        paymaster_and_data: hex_bytes(&paymaster.and_data(version)),
        signature: signed.account_signature,
        user_op_hash: signed.user_op_hash,
        valid_until: terms.valid_until,
        valid_after: terms.valid_after,
        // The paymaster's key never leaves its TEE, and the contract admits it by this address.
        tee_device_id: signed.paymaster_signer,
        request_id: request_id.0.clone(),
        verification_proof: VerificationProof {
            dual_signature_mode: has_passkey,
            paymaster_verified: true,
            user_passkey_verified: has_passkey,
            timestamp: signed.timestamp,
        },
        paymaster_fields: LaterPaymasterFields::of(paymaster, version),
    }
}

pub(super) fn data(sponsored: &Sponsored) -> PaymasterFields {
    PaymasterFields::of(&sponsored.paymaster, sponsored.entry_point.version)
}

pub(super) fn stub(stub: &Stub, sponsor_name: &str) -> StubData {
    StubData {
        fields: PaymasterFields::of(&stub.paymaster, stub.version),
        sponsor: SponsorName { name: sponsor_name.to_owned() },
        is_final: false,
    }
}

pub(super) fn intent(intent: &Intent, challenge: &IntentHash, rp_id: &str) -> relay_api::Intent {
    relay_api::Intent {
        intent_hash: intent.intent_hash,
        user_op_hash: intent.user_op_hash,
        webauthn: CredentialRequest {
            challenge: to_base64url(&challenge.0),
            rp_id: rp_id.to_owned(),
            allow_credentials: intent.credentials.iter().map(Credential::passkey).collect(),
            user_verification: "required".to_owned(),
            timeout: CEREMONY_TIMEOUT,
        },
    }
}

/// Limits are those of the policies that the caller may choose.
pub(super) fn account(info: &AccountInfo, caller: &Caller) -> relay_api::AccountInfo {
    let AccountInfo { wallet, standing, policies } = info;
    let limit = |policy: &Policy| PolicyLimit {
        policy_id: policy.id().to_owned(),
        max_cost_per_operation: policy.max_cost().0.to_string(),
    };
    let is_open = |policy: &Policy| caller.policies().is_none_or(|ids| ids.iter().any(|id| id == policy.id()));
    relay_api::AccountInfo {
        account_id: wallet.account_id.as_str().to_owned(),
        address: wallet.owner,
        signature_scheme: wallet.signature_scheme,
        passkeys: wallet.passkeys.iter().map(|passkey| to_base64url(&passkey.credential_id)).collect(),
        active: standing.as_ref().is_some_and(|standing| standing.active),
        balance: standing.as_ref().map(|standing| standing.balance.0.to_string()),
        membership: standing.as_ref().map(|standing| standing.membership.as_str().to_owned()),
        limits: policies.iter().filter(|policy| is_open(policy)).map(|policy| limit(policy)).collect(),
    }
}

pub(super) fn invitation(signed: &SignedInvitation) -> relay_api::Invitation {
    let Invitation { tee_id, expires_at, max_uses, .. } = signed.invitation;
    relay_api::Invitation { invitation: signed.to_string(), tee_id, expires_at, max_uses }
}
