//! `/webauthn/register/begin` and `/webauthn/register/finish`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use proto::AccountId;
use proto::json::invitation::SignedInvitation;
use proto::json::passkey::to_base64url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api_key;
use super::body::JsonBody;
use super::error::ApiError;
use super::wire::Text;
use crate::ceremony::NewUser;
use crate::gateway::Gateway;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Begin {
    account_id: Option<AccountId>,
    user_name: Option<String>,
    display_name: Option<String>,
    invitation: Option<Text<SignedInvitation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Finish {
    registration_id: String,
    credential: Value,
}

pub(super) async fn begin(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Begin>,
) -> Result<Json<Value>, ApiError> {
    let name = body.user_name.or_else(|| body.account_id.as_ref().map(ToString::to_string));
    let name = name.ok_or_else(|| ApiError::invalid_field("userName", "missing, and no accountId either"))?;
    let user = NewUser::new(name, body.display_name, body.account_id)
        .map_err(|problem| ApiError::invalid_field("userName, displayName", problem))?;
    let proof = api_key::proof(&headers, body.invitation.map(|Text(invitation)| invitation))?;
    let (registration_id, public_key) = gateway.begin_registration(user, proof).await?;
    Ok(Json(json!({ "registrationId": registration_id, "publicKey": public_key })))
}

pub(super) async fn finish(
    State(gateway): State<Gateway>,
    JsonBody(body): JsonBody<Finish>,
) -> Result<Json<Value>, ApiError> {
    let (registration_id, verified) = gateway.finish_registration(&body.registration_id, &body.credential)?;
    Ok(Json(json!({
        "registrationId": registration_id,
        "credentialId": to_base64url(&verified.credential_id),
        "verified": true,
    })))
}
