//! For operators and their machines: /livez, /readyz and /metrics.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serve::Listener;
use tokio_util::sync::CancellationToken;

/// Whether requests would be served now.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Why not, if not.
    async fn ready(&self) -> Result<(), String>;

    /// Why this process has to be ended, if it has to be.
    fn alive(&self) -> Result<(), String>;
}

#[derive(Clone)]
struct Ops {
    registry: Registry,
    readiness: Arc<dyn Readiness>,
}

/// Serves until told to stop.
pub async fn serve(
    listener: Listener,
    registry: Registry,
    readiness: Arc<dyn Readiness>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Ops { registry, readiness });
    listener.serve(routes, shutdown).await
}

async fn livez(State(ops): State<Ops>) -> (StatusCode, String) {
    match ops.readiness.alive() {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not alive: {reason}\n")),
    }
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    match ops.readiness.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n".into()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics(State(ops): State<Ops>) -> Result<Vec<u8>, StatusCode> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&ops.registry.gather(), &mut text).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(text)
}
