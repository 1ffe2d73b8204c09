//! `/admin/...`: who may sign, and the admin's signed commands.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use kms_api::admin::{Done, GetSigners, Provision, RotateSigner, Signers};
use kms_api::{Route, Routed};
use proto::command;

use super::Answered;
use super::body::JsonBody;
use super::caller::Admin;
use super::error::ApiError;
use super::setup;
use crate::gateway::{AdminProof, Gateway};

/// The routes of the admin's commands follow from the table of commands.
pub(super) fn routes() -> Router<Gateway> {
    let router = Router::new()
        .route(GetSigners::PATH, get(signers))
        .route(Provision::PATH, post(provision))
        .route(RotateSigner::PATH, post(command::<command::RotateSigner>));
    macro_rules! routed {
        ($($command:ident),*) => {
            router$(.route(<<command::$command as Routed>::Body as Route>::PATH, post(command::<command::$command>)))*
        };
    }
    proto::admin_commands!(routed)
}

async fn signers(State(gateway): State<Gateway>) -> Answered<GetSigners> {
    let state = gateway.recent_security_state().await?;
    let allowances = gateway.recent_allowances().await?;
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
        allowances: allowances.filter(|_| provisioned.is_some()).map(|told| kms_api::admin::allowances(&told)),
    }))
}

async fn provision(
    State(gateway): State<Gateway>,
    Admin(caller): Admin,
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
    gateway.administer(command, &caller).await?;
    Ok(Json(Done { success: true }))
}

/// Handles every other command.
async fn command<C>(
    State(gateway): State<Gateway>,
    Admin(caller): Admin,
    JsonBody(body): JsonBody<C::Body>,
) -> Answered<C::Body>
where
    C: Routed + AdminProof + TryFrom<C::Body>,
    ApiError: From<<C as TryFrom<C::Body>>::Error>,
{
    gateway.administer(C::try_from(body)?, &caller).await?;
    Ok(Json(Done { success: true }))
}
