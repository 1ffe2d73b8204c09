//! The JSON bodies of the gateway's HTTP API (protocol, section 5).

use proto::command::{PasskeyAssertion, RotateSigner, Sponsor};
use proto::json::passkey::to_base64url;
use proto::json::{hex_bytes, hex_quantity};
use proto::{EntryPointVersion, Init, Signature, UserOperation};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `POST /kms/sponsor-user-operation`.
pub(super) fn sponsor(command: &Sponsor) -> Value {
    let terms = &command.terms;
    json!({
        "userOperation": user_operation(&command.op, command.entry_point.version),
        "accountId": command.account_id.as_str(),
        "signatureFormat": "erc4337",
        "userSignature": command.passkey.as_ref().map(assertion),
        "businessValidation": {},
        "nonce": hex_quantity(command.approval.nonce.into()),
        "timestamp": command.approval.timestamp,
        "entryPoint": command.entry_point.address.to_string(),
        "chainId": hex_quantity(command.entry_point.chain_id.into()),
        "terms": {
            "paymaster": terms.paymaster.to_string(),
            "paymasterVerificationGasLimit": hex_quantity(terms.verification_gas_limit),
            "paymasterPostOpGasLimit": hex_quantity(terms.post_op_gas_limit),
            "validUntil": terms.valid_until,
            "validAfter": terms.valid_after,
        },
    })
}

/// `POST /admin/rotate-signer`.
pub(super) fn rotate_signer(command: &RotateSigner) -> Value {
    json!({
        "teeId": command.tee_id.to_string(),
        "record": command.record,
        "rotation": command.rotation,
        "current": command.current.to_string(),
        "next": command.next.to_string(),
        "currentSignature": signature(&command.current_signature),
        "nextSignature": signature(&command.next_signature),
        "adminSignature": command.admin_signature.as_ref().map(signature),
    })
}

pub(super) fn signature(signature: &Signature) -> String {
    hex_bytes(&signature.to_bytes())
}

fn user_operation(op: &UserOperation, version: EntryPointVersion) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: String| fields.insert(name.to_owned(), Value::String(value));
    put("sender", op.sender.to_string());
    put("nonce", nonce(&op.nonce.0));
    put("callData", hex_bytes(&op.call_data));
    put("callGasLimit", hex_quantity(op.call_gas_limit));
    put("verificationGasLimit", hex_quantity(op.verification_gas_limit));
    put("preVerificationGas", hex_quantity(op.pre_verification_gas));
    put("maxFeePerGas", hex_quantity(op.max_fee_per_gas));
    put("maxPriorityFeePerGas", hex_quantity(op.max_priority_fee_per_gas));
    match &op.init {
        Init::Deployed if version == EntryPointVersion::V06 => {
            put("initCode", "0x".to_owned());
        }
        Init::Deployed => {}
        Init::Factory { factory, data } if version == EntryPointVersion::V06 => {
            put("initCode", hex_bytes(&[&factory.0[..], &data[..]].concat()));
        }
        Init::Factory { factory, data } => {
            put("factory", factory.to_string());
            put("factoryData", hex_bytes(data));
        }
        Init::Eip7702 { delegate, data } => {
            put("factory", "0x7702".to_owned());
            put("factoryData", hex_bytes(data));
            fields.insert("eip7702Auth".to_owned(), json!({ "address": delegate.to_string() }));
        }
    }
    Value::Object(fields)
}

fn nonce(bytes: &[u8; 32]) -> String {
    let digits = hex::encode(bytes);
    match digits.trim_start_matches('0') {
        "" => "0x0".to_owned(),
        digits => format!("0x{digits}"),
    }
}

fn assertion(assertion: &PasskeyAssertion) -> Value {
    let id = to_base64url(&assertion.credential_id);
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": {
            "authenticatorData": to_base64url(&assertion.authenticator_data),
            "clientDataJSON": to_base64url(&assertion.client_data_json),
            "signature": to_base64url(&assertion.signature),
        },
    })
}

/// The answer to a sponsorship, as far as it is looked at; the rest repeats the request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SponsorAnswer {
    pub user_op_hash: String,
    pub paymaster_signer: String,
    pub paymaster_signature: String,
    pub signature: Option<String>,
}

/// `GET /admin/signers`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignersAnswer {
    pub tee_id: String,
    pub paymaster_signer: Option<String>,
    pub standby_paymaster_signer: Option<String>,
    pub signers: Vec<SignerAnswer>,
    #[serde(default)]
    pub rp_id: Option<String>,
    #[serde(default)]
    pub ceilings: Option<CeilingsAnswer>,
}

/// As in the body of `POST /admin/provision`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CeilingsAnswer {
    pub deployments: Vec<DeploymentAnswer>,
    pub max_cost: String,
    pub max_window: u32,
    pub max_accounts: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentAnswer {
    pub chain_id: String,
    pub entry_point: String,
    pub version: EntryPointVersion,
    pub paymaster: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignerAnswer {
    pub record: u64,
    pub authorised_as: String,
    pub address: String,
    pub permissions: Vec<String>,
    pub rotations: u64,
}

/// `GET /kms/accounts/{accountId}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountAnswer {
    pub account_id: String,
    pub owner_address: String,
    pub signature_scheme: proto::command::SignatureScheme,
    pub passkeys: Vec<PasskeyAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasskeyAnswer {
    pub credential_id: String,
    pub public_key: String,
}

/// `GET /health`, which other services have too: by the phase of its TEE a gateway is known.
#[derive(Deserialize)]
pub(super) struct HealthAnswer {
    #[serde(rename = "phase")]
    _phase: proto::command::Phase,
}

/// `GET /health` with status 503.
#[derive(Deserialize)]
pub(super) struct UnhealthyAnswer {
    pub service: String,
    pub status: String,
}

/// An error of the gateway.
#[derive(Deserialize)]
pub(super) struct ErrorAnswer {
    pub error: ErrorBody,
}

#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub code: String,
    pub message: String,
}
