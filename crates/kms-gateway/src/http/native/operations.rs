//! `/kms/sponsor-user-operation` and `/kms/sign-user-operation` (protocol, section 5).

use axum::extract::State;
use axum::{Extension, Json};
use kms_api::operations::{SignOperation, SignedOperation, SponsorOperation, SponsoredOperation, VerificationProof};
use proto::bytes::Bounded;
use proto::command::{PasskeyAssertion, PasskeyPublicKey, RelayApproval, SignWithHybridKey, Sponsor};
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, InvalidField, parse_user_operation};
use proto::primitives::keccak256;
use proto::{Address, EntryPoint, EntryPointVersion, Hash, Quantity, Status, Terms, UserOperation};
use serde_json::{Map, Value};
use serve::Priority;

use super::Answered;
use super::body::JsonBody;
use super::caller::Relay;
use super::error::ApiError;
use crate::gateway::{Caller, Gateway, GatewayError};
use crate::store::Action;

pub(super) async fn sponsor(
    State(gateway): State<Gateway>,
    relay: Result<Relay, ApiError>,
    priority: Option<Extension<Priority>>,
    JsonBody(body): JsonBody<SponsorOperation>,
) -> Answered<SponsorOperation> {
    let Relay { caller, signature } = relay?;
    let caller = beside(caller, body.user_public_key, body.business_validation);
    let approval = RelayApproval { nonce: body.nonce.0, timestamp: body.timestamp, signature };
    let passkey = body.user_signature.as_ref().map(assertion).transpose()?;
    let place = Place { chain_id: body.chain_id, entry_point: body.entry_point };
    let entry_point = place.resolve(&gateway, Action::Sponsor).await?;
    let terms = Terms::from(body.terms);
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

    let version = entry_point.version;
    let paymaster = terms.signed(version, &reply.paymaster_signature);
    let paymaster_and_data = Bounded::new(paymaster.and_data(version)).map_err(|_| GatewayError::Internal)?;
    let with_fields = version > EntryPointVersion::V06;
    Ok(Json(SponsoredOperation {
        success: true,
        paymaster: with_fields.then_some(paymaster.address),
        paymaster_verification_gas_limit: with_fields.then_some(Quantity(paymaster.verification_gas_limit)),
        paymaster_post_op_gas_limit: with_fields.then_some(Quantity(paymaster.post_op_gas_limit)),
        paymaster_data: with_fields.then_some(paymaster.data),
        paymaster_and_data,
        paymaster_signer: reply.paymaster_signer,
        paymaster_signature: reply.paymaster_signature,
        signature: reply.account_signature,
        user_op_hash: reply.user_op_hash,
        tee_device_id: gateway.tee_device_id().await?,
        verification_proof: VerificationProof::new(with_passkey, approval.timestamp),
    }))
}

pub(super) async fn sign(
    State(gateway): State<Gateway>,
    relay: Result<Relay, ApiError>,
    priority: Option<Extension<Priority>>,
    JsonBody(body): JsonBody<SignOperation>,
) -> Answered<SignOperation> {
    let Relay { caller, signature } = relay?;
    let caller = beside(caller, body.user_public_key, body.business_validation);
    let approval = RelayApproval { nonce: body.nonce.0, timestamp: body.timestamp, signature };
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
    Ok(Json(SignedOperation {
        success: true,
        signature: reply.signature,
        user_op_hash: reply.user_op_hash,
        tee_device_id: gateway.tee_device_id().await?,
        verification_proof: VerificationProof::new(true, approval.timestamp),
    }))
}

/// The TEE accepted the approval of a relay it knows: at a full port the relay's connection is
/// evicted last.
fn keep(priority: Option<Extension<Priority>>) {
    if let Some(Extension(priority)) = priority {
        priority.raise();
    }
}

/// The caller, and the fields beside the command in the body.
fn beside(
    caller: Caller,
    passkey_public_key: Option<PasskeyPublicKey>,
    business_validation: Option<Map<String, Value>>,
) -> Caller {
    let context_hash = business_validation.map(|context| hash_of(Value::Object(context)));
    Caller { passkey_public_key, context_hash, ..caller }
}

/// Of the JSON with sorted keys, so that the sender can compute it.
fn hash_of(mut context: Value) -> Hash {
    context.sort_all_objects();
    keccak256(context.to_string())
}

pub(super) fn assertion(json: &Value) -> Result<PasskeyAssertion, ApiError> {
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

/// The operation's target, as given by the caller.
struct Place {
    chain_id: Option<Quantity<u64>>,
    entry_point: Option<Address>,
}

impl Place {
    async fn resolve(self, gateway: &Gateway, action: Action) -> Result<EntryPoint, GatewayError> {
        let chain_id = self.chain_id.map(|Quantity(chain_id)| chain_id);
        match gateway.entry_point(chain_id, self.entry_point).await? {
            Some(entry_point) => Ok(entry_point),
            None => Err(gateway.refuse(action, Status::DeploymentNotAllowed)),
        }
    }
}
