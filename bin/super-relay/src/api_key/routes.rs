//! The routes of the API keys on the admin socket.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use paymaster_relay::clients::{ApiKeyError, ApiKeys, NewApiKey};

use super::api::{KEYS, KeyState, Made, REVOCATION, Revoked};
use crate::admin_socket::Refusal;

type Refused = (StatusCode, Json<Refusal>);

/// The routes of the API keys.
pub fn routes(keys: Arc<ApiKeys>) -> Router {
    Router::new().route(KEYS, get(list).post(generate)).route(REVOCATION, post(revoke)).with_state(keys)
}

async fn generate(State(keys): State<Arc<ApiKeys>>, Json(new): Json<NewApiKey>) -> Result<Json<Made>, Refused> {
    let (api_key, key) = keys.generate(new).await.map_err(refused)?;
    Ok(Json(Made { key, api_key }))
}

async fn list(State(keys): State<Arc<ApiKeys>>) -> Json<Vec<KeyState>> {
    Json(keys.list().into_iter().map(KeyState::from).collect())
}

async fn revoke(State(keys): State<Arc<ApiKeys>>, Path(id): Path<String>) -> Result<Json<Revoked>, Refused> {
    let id = keys.revoke(&id).await.map_err(refused)?;
    Ok(Json(Revoked { id }))
}

fn refused(error: ApiKeyError) -> Refused {
    let status = match error {
        ApiKeyError::Invalid { .. } | ApiKeyError::NoId => StatusCode::BAD_REQUEST,
        ApiKeyError::Unknown { .. } => StatusCode::NOT_FOUND,
        ApiKeyError::OfSettings { .. } => StatusCode::CONFLICT,
        ApiKeyError::NotRecorded { .. } | ApiKeyError::Store(_) | ApiKeyError::Entropy(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, Json(Refusal { error: error.to_string() }))
}
