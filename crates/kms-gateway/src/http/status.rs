//! `/health`, `/version`, `/stats`, `/QueueStatus`, `/RollbackCounter`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::command::{Phase, SecurityState};
use serde_json::{Value, json};

use super::error::ApiError;
use crate::gateway::{Gateway, GatewayError};
use crate::protection::TaKey;
use crate::transport::QueueStats;

const SERVICE: &str = "super-relay-kms";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// 200 when the TEE answers and protects what it must, provisioned or not, and the database takes a write; 503 when not.
pub(super) async fn health(State(gateway): State<Gateway>) -> (StatusCode, Json<Value>) {
    let (state, database) = tokio::join!(gateway.recent_security_state(), gateway.recent_database_ready());
    let requirements = gateway.settings().required_protection;
    let (code, status) = match &state {
        Err(
            error
            @ (GatewayError::TeeBusy | GatewayError::TeeProtectionInsufficient(_) | GatewayError::TeeStateLost(_)),
        ) => (StatusCode::SERVICE_UNAVAILABLE, error.code()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "tee_unavailable"),
        Ok(state) if requirements.check(state).is_err() => {
            (StatusCode::SERVICE_UNAVAILABLE, "tee_protection_insufficient")
        }
        Ok(_) if database.is_err() => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        Ok(state) if state.phase == Phase::Uninitialised => (StatusCode::OK, "uninitialised"),
        Ok(_) => (StatusCode::OK, "healthy"),
    };
    let state = state.ok();
    let body = json!({
        "status": status,
        "service": SERVICE,
        "teeId": state.as_ref().map(|state| state.tee_id.to_string()),
        "teeMode": gateway.tee_mode(),
        "taKey": state.as_ref().and_then(|state| TaKey::of_version(&state.version)),
        "protection": state.as_ref().map(|state| protection(state)),
        "phase": state.map(|state| state.phase),
        "version": VERSION,
    });
    (code, Json(body))
}

pub(super) async fn version(State(gateway): State<Gateway>) -> Result<Json<Value>, ApiError> {
    let state = gateway.recent_security_state().await?;
    Ok(Json(json!({
        "service": SERVICE,
        "version": VERSION,
        "tee": {
            "id": state.tee_id.to_string(),
            "mode": gateway.tee_mode(),
            "version": *state.version,
            "measurement": state.measurement.to_string(),
            "protection": protection(&state),
        },
    })))
}

pub(super) async fn stats(State(gateway): State<Gateway>) -> Result<Json<Value>, ApiError> {
    let stats = gateway.stats().await?;
    Ok(Json(json!({
        "accounts": stats.accounts,
        "audit": { "rows": stats.audit.rows, "head": stats.audit.hash.to_string() },
        "queue": queue(&stats.queue),
    })))
}

pub(super) async fn queue_status(State(gateway): State<Gateway>) -> Json<Value> {
    Json(queue(&gateway.queue_stats()))
}

pub(super) async fn rollback_counter(State(gateway): State<Gateway>) -> Result<Json<Value>, ApiError> {
    let counter = gateway.recent_security_state().await?.counter;
    Ok(Json(json!({ "counter": counter })))
}

/// What the TEE says that it protects, and how well.
pub(super) fn protection(state: &SecurityState) -> Value {
    json!({ "storage": state.storage, "rollback": state.rollback, "time": state.time })
}

fn queue(stats: &QueueStats) -> Value {
    json!({
        "queue_depth": stats.depth,
        "estimated_wait_seconds": stats.estimated_wait().as_secs_f64(),
        "average_wait_seconds": stats.average_wait.as_secs_f64(),
        "circuit_breaker_open": stats.breaker_open,
        "consecutive_failures": stats.consecutive_failures,
        "reopened": stats.reopened,
    })
}
