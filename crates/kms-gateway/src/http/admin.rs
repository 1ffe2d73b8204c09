//! `/admin/...`: who may sign, and the admin's signed commands in JSON.

use axum::extract::State;
use axum::{Extension, Json};
use proto::bytes::{Bounded, BoundedList};
use proto::command::{
    AuthorizeSigner, Ceilings, Deployment, Provision, RelyingParty, RevokeSigner, RotateSigner, SetCeilings,
};
use proto::{Address, EntryPoint, EntryPointVersion, Permissions, Signature, Wei};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::error::ApiError;
use super::request_id::RequestId;
use super::wire::{Quantity, Text, permission_names};
use crate::gateway::{Caller, Gateway};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProvisionBody {
    admin: Text<Address>,
    relying_parties: Vec<RelyingPartyBody>,
    ceilings: CeilingsBody,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelyingPartyBody {
    id: String,
    origins: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CeilingsBody {
    deployments: Vec<DeploymentBody>,
    max_cost: Quantity<u128>,
    max_window: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeploymentBody {
    chain_id: Quantity<u64>,
    entry_point: Text<Address>,
    version: EntryPointVersion,
    paymaster: Text<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorizeBody {
    signer: Text<Address>,
    permissions: Vec<Text<Permissions>>,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeBody {
    signer: Text<Address>,
    counter: Quantity<u64>,
    signature: Text<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotateBody {
    current: Text<Address>,
    next: Text<Address>,
    counter: Quantity<u64>,
    current_signature: Text<Signature>,
    next_signature: Text<Signature>,
    admin_signature: Option<Text<Signature>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetCeilingsBody {
    ceilings: CeilingsBody,
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
            json!({
                "address": signer.address.to_string(),
                "permissions": permission_names(signer.permissions),
            })
        })
        .collect();
    Ok(Json(json!({
        "counter": state.counter,
        "phase": state.phase,
        "admin": provisioned.map(|provisioned| provisioned.admin.to_string()),
        "paymasterSigner": provisioned.map(|provisioned| provisioned.paymaster_signer.to_string()),
        "signers": signers,
    })))
}

pub(super) async fn provision(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<ProvisionBody>,
) -> Result<Json<Value>, ApiError> {
    let command = Provision {
        admin: body.admin.0,
        relying_parties: list("relyingParties", body.relying_parties, relying_party)?,
        ceilings: ceilings(body.ceilings)?,
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
    let permissions = body.permissions.iter().fold(Permissions::default(), |set, Text(permission)| set | *permission);
    let command =
        AuthorizeSigner { signer: body.signer.0, permissions, counter: body.counter.0, signature: body.signature.0 };
    gateway.authorize_signer(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn revoke_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RevokeBody>,
) -> Result<Json<Value>, ApiError> {
    let command = RevokeSigner { signer: body.signer.0, counter: body.counter.0, signature: body.signature.0 };
    gateway.revoke_signer(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn rotate_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RotateBody>,
) -> Result<Json<Value>, ApiError> {
    let command = RotateSigner {
        current: body.current.0,
        next: body.next.0,
        counter: body.counter.0,
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
    let command =
        SetCeilings { ceilings: ceilings(body.ceilings)?, counter: body.counter.0, signature: body.signature.0 };
    gateway.set_ceilings(command, &Caller::new(request_id)).await?;
    done()
}

fn done() -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "success": true })))
}

fn ceilings(body: CeilingsBody) -> Result<Ceilings, ApiError> {
    Ok(Ceilings {
        deployments: list("ceilings.deployments", body.deployments, |body: DeploymentBody| {
            Ok(Deployment {
                entry_point: EntryPoint {
                    chain_id: body.chain_id.0,
                    address: body.entry_point.0,
                    version: body.version,
                },
                paymaster: body.paymaster.0,
            })
        })?,
        max_cost: Wei(body.max_cost.0),
        max_window: body.max_window,
    })
}

fn relying_party(body: RelyingPartyBody) -> Result<RelyingParty, ApiError> {
    let invalid = |problem| ApiError::invalid_field("relyingParties", problem);
    Ok(RelyingParty {
        id: Bounded::new(body.id).map_err(invalid)?,
        origins: list("relyingParties.origins", body.origins, |origin| Bounded::new(origin).map_err(invalid))?,
    })
}

fn list<A, B, const MAX: usize>(
    field: &str,
    items: Vec<A>,
    convert: impl Fn(A) -> Result<B, ApiError>,
) -> Result<BoundedList<B, MAX>, ApiError> {
    let items = items.into_iter().map(convert).collect::<Result<_, _>>()?;
    BoundedList::new(items).map_err(|problem| ApiError::invalid_field(field, problem))
}
