//! `/admin/...`: who may sign, and the admin's signed commands in JSON.

use axum::extract::State;
use axum::{Extension, Json};
use proto::command::{
    AuthorizeSigner, PreparePaymasterKey, Provision, RevokeSigner, RotatePaymasterKey, RotateSigner, SetCeilings,
};
use proto::{Address, Permissions, Signature, TeeId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::error::ApiError;
use super::request_id::RequestId;
use super::setup::{self, CeilingsBody, RelyingParties};
use super::wire::{Quantity, Text};
use crate::gateway::{Caller, Gateway};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProvisionBody {
    tee_id: Text<TeeId>,
    admin: Text<Address>,
    relying_parties: RelyingParties,
    ceilings: CeilingsBody,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuthorizeBody {
    tee_id: Text<TeeId>,
    signer: Text<Address>,
    permissions: Vec<Text<Permissions>>,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RevokeBody {
    tee_id: Text<TeeId>,
    record: Quantity<u64>,
    authorised_as: Text<Address>,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotateBody {
    tee_id: Text<TeeId>,
    record: Quantity<u64>,
    rotation: Quantity<u64>,
    current: Text<Address>,
    next: Text<Address>,
    current_signature: Text<Signature>,
    next_signature: Text<Signature>,
    admin_signature: Option<Text<Signature>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SetCeilingsBody {
    tee_id: Text<TeeId>,
    ceilings: CeilingsBody,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PreparePaymasterKeyBody {
    tee_id: Text<TeeId>,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotatePaymasterKeyBody {
    tee_id: Text<TeeId>,
    next: Text<Address>,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

/// The gateway and the caller, as every handler takes them.
type Ctx = (State<Gateway>, Extension<RequestId>);

pub(super) async fn signers(State(gateway): State<Gateway>) -> Result<Json<Value>, ApiError> {
    let state = gateway.recent_security_state().await?;
    let provisioned = state.provisioned.as_ref();
    let signers: Vec<Value> = provisioned
        .into_iter()
        .flat_map(|provisioned| provisioned.signers.iter())
        .map(|signer| {
            let permissions: Vec<&str> = signer.permissions.names().collect();
            json!({
                "record": signer.record,
                "authorisedAs": signer.authorised_as.to_string(),
                "address": signer.address.to_string(),
                "permissions": permissions,
                "rotations": signer.rotations,
            })
        })
        .collect();
    let standby = provisioned.and_then(|provisioned| provisioned.standby_paymaster_signer);
    Ok(Json(json!({
        "teeId": state.tee_id.to_string(),
        "counter": state.counter,
        "phase": state.phase,
        "admin": provisioned.map(|provisioned| provisioned.admin.to_string()),
        "paymasterSigner": provisioned.map(|provisioned| provisioned.paymaster_signer.to_string()),
        "standbyPaymasterSigner": standby.map(|standby| standby.to_string()),
        "signers": signers,
        "accounts": provisioned.map(|provisioned| provisioned.accounts),
        "maxAccounts": provisioned.map(|provisioned| provisioned.ceilings.max_accounts),
        "rpId": gateway.settings().rp_id,
        "ceilings": provisioned.map(|provisioned| setup::ceilings(&provisioned.ceilings)),
    })))
}

pub(super) async fn provision(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<ProvisionBody>,
) -> Result<Json<Value>, ApiError> {
    let command = Provision {
        tee_id: body.tee_id.0,
        admin: body.admin.0,
        relying_parties: body.relying_parties.read()?,
        ceilings: body.ceilings.read()?,
        counter: body.counter.0,
        signature: body.signature.0,
    };
    gateway.provision(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn authorize_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<AuthorizeBody>,
) -> Result<Json<Value>, ApiError> {
    let command = AuthorizeSigner {
        tee_id: body.tee_id.0,
        signer: body.signer.0,
        permissions: body.permissions.iter().fold(Permissions::default(), |set, Text(permission)| set | *permission),
        counter: body.counter.0,
        signature: body.signature.0,
    };
    gateway.authorize_signer(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn revoke_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RevokeBody>,
) -> Result<Json<Value>, ApiError> {
    let command = RevokeSigner {
        tee_id: body.tee_id.0,
        record: body.record.0,
        authorised_as: body.authorised_as.0,
        counter: body.counter.0,
        signature: body.signature.0,
    };
    gateway.revoke_signer(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn rotate_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RotateBody>,
) -> Result<Json<Value>, ApiError> {
    let command = RotateSigner {
        tee_id: body.tee_id.0,
        record: body.record.0,
        rotation: body.rotation.0,
        current: body.current.0,
        next: body.next.0,
        current_signature: body.current_signature.0,
        next_signature: body.next_signature.0,
        admin_signature: body.admin_signature.map(|Text(signature)| signature),
    };
    gateway.rotate_signer(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn set_ceilings(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<SetCeilingsBody>,
) -> Result<Json<Value>, ApiError> {
    let command = SetCeilings {
        tee_id: body.tee_id.0,
        ceilings: body.ceilings.read()?,
        counter: body.counter.0,
        signature: body.signature.0,
    };
    gateway.set_ceilings(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn prepare_paymaster_key(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<PreparePaymasterKeyBody>,
) -> Result<Json<Value>, ApiError> {
    let command = PreparePaymasterKey { tee_id: body.tee_id.0, counter: body.counter.0, signature: body.signature.0 };
    gateway.prepare_paymaster_key(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn rotate_paymaster_key(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RotatePaymasterKeyBody>,
) -> Result<Json<Value>, ApiError> {
    let command = RotatePaymasterKey {
        tee_id: body.tee_id.0,
        next: body.next.0,
        counter: body.counter.0,
        signature: body.signature.0,
    };
    gateway.rotate_paymaster_key(command, &Caller::new(request_id)).await?;
    done()
}

fn done() -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "success": true })))
}
