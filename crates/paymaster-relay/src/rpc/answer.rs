//! From results to JSON. ERC-7677 answers carry their own keys and no others: clients spread them
//! into the operation.

use proto::command::SignatureScheme;
use proto::json::invitation::{Invitation, SignedInvitation};
use proto::json::passkey::to_base64url;
use proto::json::{hex_bytes, hex_quantity, paymaster_fields};
use proto::{Address, EntryPointVersion, Signature};
use serde_json::{Map, Value, json};

use super::RequestId;
use crate::clients::Caller;
use crate::policy::Policy;
use crate::sponsor::{AccountInfo, Intent, Sponsored, Stub};

/// Milliseconds a browser gives the user, as WebAuthn Level 3 recommends (section 15.1).
const CEREMONY_TIMEOUT: u32 = 300_000;
const PAYMASTER_FIELDS: [&str; 6] = [
    "paymasterAndData",
    "paymaster",
    "paymasterVerificationGasLimit",
    "paymasterPostOpGasLimit",
    "paymasterData",
    "paymasterSignature",
];

/// The result of `pm_sponsor_with_tee`: the client's own operation, ready to send, and everything
/// that is in it.
pub(super) fn sponsored(sponsored: &Sponsored, document: Map<String, Value>, request_id: &RequestId) -> Value {
    let Sponsored { entry_point, terms, paymaster, signed } = sponsored;
    let version = entry_point.version;
    let fields = paymaster_fields(paymaster, version);
    let account_signature = signed.account_signature.as_ref().map(hex_signature);

    let mut operation = document;
    operation.retain(|name, _| !PAYMASTER_FIELDS.contains(&name.as_str()));
    operation.extend(fields.clone());
    if let Some(signature) = &account_signature {
        operation.insert("signature".to_owned(), signature.as_str().into());
    }

    let mut answer = json!({
        "success": true,
        "userOperation": operation,
        "paymasterAndData": hex_bytes(&paymaster.and_data(version)),
        "signature": account_signature,
        "userOpHash": signed.user_op_hash.to_string(),
        "validUntil": terms.valid_until,
        "validAfter": terms.valid_after,
        // The paymaster's key never leaves its TEE, and the contract admits it by this address.
        "teeDeviceId": signed.paymaster_signer.to_string(),
        "requestId": request_id.0,
        "verificationProof": {
            "dualSignatureMode": signed.account_signature.is_some(),
            "paymasterVerified": true,
            "userPasskeyVerified": signed.account_signature.is_some(),
            "timestamp": signed.timestamp,
        },
    });
    // The fields of this version and no others: clients spread them into the operation.
    for (name, value) in fields {
        answer[name] = value;
    }
    if version != EntryPointVersion::V06 {
        answer["paymaster"] = terms.paymaster.to_string().into();
    }
    answer
}

/// The result of `pm_getPaymasterData` (ERC-7677).
pub(super) fn data(sponsored: &Sponsored) -> Value {
    Value::Object(paymaster_fields(&sponsored.paymaster, sponsored.entry_point.version))
}

/// The result of `pm_getPaymasterStubData` (ERC-7677). Not final: the signature is still to come.
pub(super) fn stub(stub: &Stub, sponsor_name: &str) -> Value {
    let mut fields = paymaster_fields(&stub.paymaster, stub.version);
    fields.insert("sponsor".to_owned(), json!({ "name": sponsor_name }));
    fields.insert("isFinal".to_owned(), false.into());
    Value::Object(fields)
}

/// The result of `pm_getSponsorshipIntent`, with PublicKeyCredentialRequestOptionsJSON.
pub(super) fn intent(intent: &Intent, rp_id: &str) -> Value {
    let credentials: Vec<_> =
        intent.credentials.iter().map(|id| json!({ "type": "public-key", "id": to_base64url(id) })).collect();
    json!({
        "intentHash": intent.intent_hash.to_string(),
        "userOpHash": intent.user_op_hash.to_string(),
        "webauthn": {
            "challenge": to_base64url(&intent.intent_hash.0),
            "rpId": rp_id,
            "allowCredentials": credentials,
            "userVerification": "required",
            "timeout": CEREMONY_TIMEOUT,
        },
    })
}

pub(super) fn entry_points(addresses: &[Address]) -> Value {
    addresses.iter().map(ToString::to_string).collect()
}

pub(super) fn chain_id(chain_id: u64) -> Value {
    hex_quantity(chain_id.into()).into()
}

/// The result of `net_version`: the chain id in decimal.
pub(super) fn net_version(chain_id: u64) -> Value {
    chain_id.to_string().into()
}

/// The result of `web3_clientVersion`.
pub(super) fn client_version() -> Value {
    concat!("super-relay/", env!("CARGO_PKG_VERSION")).into()
}

/// The result of `pm_get_account_info`; passkeys by id only, limits by the policies that the caller
/// may choose.
pub(super) fn account(info: &AccountInfo, caller: &Caller) -> Value {
    let AccountInfo { wallet, standing, policies } = info;
    let passkeys: Vec<_> = wallet.passkeys.iter().map(|passkey| to_base64url(&passkey.credential_id)).collect();
    let limit =
        |policy: &Policy| json!({ "policyId": policy.id(), "maxCostPerOperation": policy.max_cost().0.to_string() });
    let is_open = |policy: &Policy| caller.policies().is_none_or(|ids| ids.iter().any(|id| id == policy.id()));
    json!({
        "accountId": wallet.account_id.as_str(),
        "address": wallet.owner,
        "signatureScheme": match wallet.signature_scheme {
            SignatureScheme::Eip191 => "eip191",
            SignatureScheme::Raw => "raw",
        },
        "passkeys": passkeys,
        "active": standing.is_some_and(|standing| standing.active),
        "balance": standing.map(|standing| standing.balance.0.to_string()),
        "membership": standing.map(|standing| standing.membership.as_str()),
        "limits": policies.iter().filter(|policy| is_open(policy)).map(|policy| limit(policy)).collect::<Vec<_>>(),
    })
}

/// The result of `pm_createAccountInvitation`.
pub(super) fn invitation(signed: &SignedInvitation) -> Value {
    let Invitation { tee_id, expires_at, max_uses, .. } = signed.invitation;
    json!({
        "invitation": signed.to_string(),
        "teeId": tee_id.to_string(),
        "expiresAt": expires_at,
        "maxUses": max_uses,
    })
}

fn hex_signature(signature: &Signature) -> String {
    hex_bytes(&signature.to_bytes())
}
