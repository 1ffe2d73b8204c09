//! `/webauthn/register/begin` and `/webauthn/register/finish`.

use axum::Json;
use axum::extract::State;
use kms_api::webauthn::{BeginRegistration, FinishRegistration, RegistrationBegun, RegistrationFinished};

use super::Answered;
use super::body::JsonBody;
use super::caller::KeyHolder;
use super::error::ApiError;
use crate::ceremony::NewUser;
use crate::gateway::Gateway;

pub(super) async fn begin(
    State(gateway): State<Gateway>,
    caller: Result<KeyHolder, ApiError>,
    JsonBody(body): JsonBody<BeginRegistration>,
) -> Answered<BeginRegistration> {
    let name = body.user_name.or_else(|| body.account_id.as_ref().map(ToString::to_string));
    let name = name.ok_or_else(|| ApiError::invalid_field("userName", "missing: userName or accountId is required"))?;
    let user = NewUser::new(name, body.display_name, body.account_id)
        .map_err(|problem| ApiError::invalid_field("userName, displayName", problem))?;
    let KeyHolder(caller) = caller?;
    let caller = caller.invited_by(body.invitation);
    let (registration_id, public_key) = gateway.begin_registration(user, &caller).await?;
    Ok(Json(RegistrationBegun { registration_id, public_key }))
}

pub(super) async fn finish(
    State(gateway): State<Gateway>,
    JsonBody(body): JsonBody<FinishRegistration>,
) -> Answered<FinishRegistration> {
    let (registration_id, passkey) = gateway.finish_registration(&body.registration_id, &body.credential)?;
    Ok(Json(RegistrationFinished { registration_id, credential_id: passkey.credential_id, verified: true }))
}
