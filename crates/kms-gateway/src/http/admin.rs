//! `/admin/...`: who may sign, and the admin's signed commands.

use axum::extract::State;
use axum::{Extension, Json};
use kms_api::admin::{
    AuthorizeSigner, Done, GetSigners, PreparePaymasterKey, Provision, RevokeSigner, RotatePaymasterKey, RotateSigner,
    SetCeilings, Signers,
};
use proto::command;

use super::Answered;
use super::body::JsonBody;
use super::request_id::RequestId;
use super::setup;
use crate::gateway::{Caller, Gateway};

/// The gateway and the caller, as every handler takes them.
type Ctx = (State<Gateway>, Extension<RequestId>);

pub(super) async fn signers(State(gateway): State<Gateway>) -> Answered<GetSigners> {
    let state = gateway.recent_security_state().await?;
    let provisioned = state.provisioned.as_ref();
    Ok(Json(Signers {
        tee_id: state.tee_id,
        counter: state.counter,
        phase: state.phase,
        admin: provisioned.map(|provisioned| provisioned.admin),
        paymaster_signer: provisioned.map(|provisioned| provisioned.paymaster_signer),
        standby_paymaster_signer: provisioned.and_then(|provisioned| provisioned.standby_paymaster_signer),
        signers: provisioned.iter().flat_map(|provisioned| provisioned.signers.iter()).map(Into::into).collect(),
        accounts: provisioned.map(|provisioned| provisioned.accounts),
        max_accounts: provisioned.map(|provisioned| provisioned.ceilings.max_accounts),
        rp_id: Some(gateway.settings().rp_id.clone()),
        ceilings: provisioned.map(|provisioned| (&provisioned.ceilings).into()),
    }))
}

pub(super) async fn provision(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<Provision>,
) -> Answered<Provision> {
    let command = command::Provision {
        tee_id: body.tee_id,
        admin: body.admin,
        relying_parties: setup::relying_parties(body.relying_parties)?,
        ceilings: body.ceilings.try_into()?,
        counter: body.counter,
        signature: body.signature,
    };
    gateway.provision(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn authorize_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<AuthorizeSigner>,
) -> Answered<AuthorizeSigner> {
    gateway.authorize_signer(body.into(), &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn revoke_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RevokeSigner>,
) -> Answered<RevokeSigner> {
    gateway.revoke_signer(body.into(), &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn rotate_signer(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RotateSigner>,
) -> Answered<RotateSigner> {
    gateway.rotate_signer(body.into(), &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn set_ceilings(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<SetCeilings>,
) -> Answered<SetCeilings> {
    let SetCeilings { tee_id, ceilings, counter, signature } = body;
    let command = command::SetCeilings { tee_id, ceilings: ceilings.try_into()?, counter, signature };
    gateway.set_ceilings(command, &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn prepare_paymaster_key(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<PreparePaymasterKey>,
) -> Answered<PreparePaymasterKey> {
    gateway.prepare_paymaster_key(body.into(), &Caller::new(request_id)).await?;
    done()
}

pub(super) async fn rotate_paymaster_key(
    (State(gateway), Extension(RequestId(request_id))): Ctx,
    JsonBody(body): JsonBody<RotatePaymasterKey>,
) -> Answered<RotatePaymasterKey> {
    gateway.rotate_paymaster_key(body.into(), &Caller::new(request_id)).await?;
    done()
}

fn done<E>() -> Result<Json<Done>, E> {
    Ok(Json(Done { success: true }))
}
