//! The node's end of the admin socket.

use std::io;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use paymaster_relay::clients::{ApiKeyError, ApiKeys, NewApiKey};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::api::{KEYS, KeyState, Made, REVOCATION, Refusal, Revoked};

type Refused = (StatusCode, Json<Refusal>);

/// Serves until it is stopped, with these other routes of the socket.
pub async fn serve(
    listener: UnixListener,
    keys: Arc<ApiKeys>,
    others: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new().route(KEYS, get(list).post(generate)).route(REVOCATION, post(revoke)).with_state(keys);
    let routes = routes.merge(others);
    axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
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
