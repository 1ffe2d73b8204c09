//! `/kms/sponsor-user-operation` and `/kms/sign-user-operation` (protocol, section 5).

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use proto::command::{PasskeyAssertion, PasskeyPublicKey, RelayApproval, SignWithHybridKey, Sponsor};
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, InvalidField, hex_bytes, parse_user_operation, paymaster_fields};
use proto::primitives::keccak256;
use proto::{AccountId, Address, EntryPoint, Quantity, Status, Terms, UserOperation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serve::Priority;

use super::body::JsonBody;
use super::error::ApiError;
use super::request_id::RequestId;
use super::wire::{Text, header};
use crate::gateway::{Caller, Claims, Gateway, GatewayError};
use crate::store::Action;

const SIGNATURE_HEADER: &str = "X-Paymaster-Signature";
const ADDRESS_HEADER: &str = "X-Paymaster-Address";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignBody {
    user_operation: Value,
    account_id: AccountId,
    #[expect(dead_code, reason = "parsed so that another format is refused")]
    signature_format: Option<SignatureFormat>,
    user_signature: Value,
    user_public_key: Option<Text<PasskeyPublicKey>>,
    business_validation: Option<Map<String, Value>>,
    nonce: Quantity<u64>,
    timestamp: Quantity<u64>,
    entry_point: Option<Text<Address>>,
    chain_id: Option<Quantity<u64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SponsorBody {
    user_operation: Value,
    account_id: AccountId,
    #[expect(dead_code, reason = "parsed so that another format is refused")]
    signature_format: Option<SignatureFormat>,
    user_signature: Option<Value>,
    user_public_key: Option<Text<PasskeyPublicKey>>,
    business_validation: Option<Map<String, Value>>,
    nonce: Quantity<u64>,
    timestamp: Quantity<u64>,
    entry_point: Option<Text<Address>>,
    chain_id: Option<Quantity<u64>>,
    terms: TermsBody,
}

/// The one format there is; naming it is optional.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignatureFormat {
    Erc4337,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TermsBody {
    paymaster: Text<Address>,
    paymaster_verification_gas_limit: Quantity<u128>,
    paymaster_post_op_gas_limit: Quantity<u128>,
    valid_until: Quantity<u64>,
    valid_after: Quantity<u64>,
}

pub(super) async fn sponsor(
    State(gateway): State<Gateway>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    priority: Option<Extension<Priority>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SponsorBody>,
) -> Result<Json<Value>, ApiError> {
    let caller = caller(request_id, &headers, body.user_public_key, body.business_validation)?;
    let approval = approval(&headers, body.nonce, body.timestamp)?;
    let passkey = body.user_signature.as_ref().map(assertion).transpose()?;
    let place = Place { chain_id: body.chain_id, entry_point: body.entry_point };
    let entry_point = place.resolve(&gateway, Action::Sponsor).await?;
    let terms = body.terms.into_terms();
    let command = Sponsor {
        entry_point,
        account_id: body.account_id,
        op: operation(&body.user_operation, &entry_point)?,
        terms,
        passkey,
        approval,
    };
    let with_passkey = command.passkey.is_some();
    let reply = gateway.sponsor(command, &caller).await?;
    keep(priority);

    let paymaster = terms.signed(entry_point.version, &reply.paymaster_signature);
    let mut answer = paymaster_fields(&paymaster, entry_point.version);
    answer.extend([
        ("success".to_owned(), true.into()),
        ("userOpHash".to_owned(), reply.user_op_hash.to_string().into()),
        ("paymasterSigner".to_owned(), reply.paymaster_signer.to_string().into()),
        ("paymasterSignature".to_owned(), hex_bytes(&reply.paymaster_signature.to_bytes()).into()),
        ("paymasterAndData".to_owned(), hex_bytes(&paymaster.and_data(entry_point.version)).into()),
        ("signature".to_owned(), reply.account_signature.map(|signature| hex_bytes(&signature.to_bytes())).into()),
        ("teeDeviceId".to_owned(), gateway.tee_device_id().await?.into()),
        ("verificationProof".to_owned(), proof(with_passkey, &approval)),
    ]);
    Ok(Json(answer.into()))
}

pub(super) async fn sign(
    State(gateway): State<Gateway>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    priority: Option<Extension<Priority>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignBody>,
) -> Result<Json<Value>, ApiError> {
    let caller = caller(request_id, &headers, body.user_public_key, body.business_validation)?;
    let approval = approval(&headers, body.nonce, body.timestamp)?;
    let passkey = assertion(&body.user_signature)?;
    let place = Place { chain_id: body.chain_id, entry_point: body.entry_point };
    let entry_point = place.resolve(&gateway, Action::SignUserOperation).await?;
    let command = SignWithHybridKey {
        entry_point,
        account_id: body.account_id,
        op: operation(&body.user_operation, &entry_point)?,
        passkey,
        approval,
    };
    let reply = gateway.sign_user_operation(command, &caller).await?;
    keep(priority);
    Ok(Json(json!({
        "success": true,
        "signature": hex_bytes(&reply.signature.to_bytes()),
        "userOpHash": reply.user_op_hash.to_string(),
        "teeDeviceId": gateway.tee_device_id().await?,
        "verificationProof": proof(true, &approval),
    })))
}

/// The TEE answered to the approval of a relay that it knows: at a full port the relay's connection goes last of all.
fn keep(priority: Option<Extension<Priority>>) {
    if let Some(Extension(priority)) = priority {
        priority.raise();
    }
}

fn caller(
    request_id: String,
    headers: &HeaderMap,
    public_key: Option<Text<PasskeyPublicKey>>,
    business_validation: Option<Map<String, Value>>,
) -> Result<Caller, ApiError> {
    let context = business_validation.map(Value::Object);
    Ok(Caller {
        request_id,
        claims: Claims {
            signer: Some(header(headers, ADDRESS_HEADER)?),
            passkey_public_key: public_key.map(|Text(key)| key),
        },
        context_hash: context.map(|context| keccak256(context.to_string())),
        proof: None,
    })
}

fn approval(
    headers: &HeaderMap,
    Quantity(nonce): Quantity<u64>,
    Quantity(timestamp): Quantity<u64>,
) -> Result<RelayApproval, ApiError> {
    Ok(RelayApproval { nonce, timestamp, signature: header(headers, SIGNATURE_HEADER)? })
}

fn assertion(json: &Value) -> Result<PasskeyAssertion, ApiError> {
    parse_assertion(json).map_err(|invalid| within("userSignature", invalid))
}

fn operation(json: &Value, entry_point: &EntryPoint) -> Result<UserOperation, ApiError> {
    parse_user_operation(json, entry_point.version, entry_point.chain_id, GasFields::Required)
        .map(|signed| signed.op)
        .map_err(|invalid| within("userOperation", invalid))
}

fn within(object: &str, InvalidField { field, problem }: InvalidField) -> ApiError {
    if field == object {
        ApiError::invalid_field(object, problem)
    } else {
        ApiError::invalid_field(&format!("{object}.{field}"), problem)
    }
}

fn proof(with_passkey: bool, approval: &RelayApproval) -> Value {
    json!({
        "dualSignatureMode": with_passkey,
        "paymasterVerified": true,
        "userPasskeyVerified": with_passkey,
        "timestamp": approval.timestamp,
    })
}

/// Where an operation goes, as far as the caller says.
struct Place {
    chain_id: Option<Quantity<u64>>,
    entry_point: Option<Text<Address>>,
}

impl Place {
    async fn resolve(self, gateway: &Gateway, action: Action) -> Result<EntryPoint, GatewayError> {
        let chain_id = self.chain_id.map(|Quantity(chain_id)| chain_id);
        let address = self.entry_point.map(|Text(address)| address);
        match gateway.entry_point(chain_id, address).await? {
            Some(entry_point) => Ok(entry_point),
            None => Err(gateway.refuse(action, Status::DeploymentNotAllowed)),
        }
    }
}

impl TermsBody {
    fn into_terms(self) -> Terms {
        Terms {
            paymaster: self.paymaster.0,
            verification_gas_limit: self.paymaster_verification_gas_limit.0,
            post_op_gas_limit: self.paymaster_post_op_gas_limit.0,
            valid_until: self.valid_until.0,
            valid_after: self.valid_after.0,
        }
    }
}
