//! `/health`, `/version`, `/stats`, `/QueueStatus`, `/RollbackCounter`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::command::{Phase, SecurityState};
use serde_json::{Value, json};

use super::error::ApiError;
use crate::gateway::Gateway;
use crate::transport::QueueStats;

const SERVICE: &str = "super-relay-kms";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// 200 when the TEE answers, provisioned or not; 503 when it does not.
pub(super) async fn health(State(gateway): State<Gateway>) -> (StatusCode, Json<Value>) {
    let phase = gateway.security_state().await.ok().map(|state| state.phase);
    let (code, status) = match phase {
        Some(Phase::Ready) => (StatusCode::OK, "healthy"),
        Some(Phase::Uninitialised) => (StatusCode::OK, "uninitialised"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "tee_unavailable"),
    };
    let body = json!({
        "status": status,
        "service": SERVICE,
        "teeMode": gateway.tee_mode(),
        "phase": phase,
        "version": VERSION,
    });
    (code, Json(body))
}

pub(super) async fn version(State(gateway): State<Gateway>) -> Result<Json<Value>, ApiError> {
    let SecurityState { version, measurement, storage, rollback, time, .. } = gateway.security_state().await?;
    Ok(Json(json!({
        "service": SERVICE,
        "version": VERSION,
        "tee": {
            "mode": gateway.tee_mode(),
            "version": *version,
            "measurement": measurement.to_string(),
            "protection": { "storage": storage, "rollback": rollback, "time": time },
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
    let counter = gateway.security_state().await?.counter;
    Ok(Json(json!({ "counter": counter })))
}

fn queue(stats: &QueueStats) -> Value {
    json!({
        "queue_depth": stats.depth,
        "estimated_wait_seconds": stats.estimated_wait().as_secs_f64(),
        "circuit_breaker_open": stats.closed,
        "consecutive_failures": stats.consecutive_failures,
    })
}
