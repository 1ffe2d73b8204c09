//! Endpoints for operators and their machines: /livez, /readyz, /status and /metrics.

mod shared_look;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Query, Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use paymaster_relay::status::Check;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde::Deserialize;
use serde_json::{Value, json};
use serve::{Listener, is_for_other_host, is_from_other_page};
use tokio_util::sync::CancellationToken;

use self::shared_look::SharedLook;

/// What a process reports about itself.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Why this process cannot accept requests, if it cannot. Problems shared by all replicas do
    /// not count.
    async fn ready(&self) -> Result<(), String>;

    /// Checks everything that a sponsorship needs.
    async fn status(&self) -> Vec<Check>;

    /// Why this process has to be restarted, if it has to be.
    fn alive(&self) -> Result<(), String>;
}

#[derive(Clone)]
struct Ops {
    registry: Registry,
    readiness: Arc<dyn Readiness>,
    look: Arc<SharedLook>,
}

/// Serves until it is stopped. `hosts` are names with a dot by which operators may call it.
pub async fn serve(
    listener: Listener,
    registry: Registry,
    readiness: Arc<dyn Readiness>,
    hosts: Vec<String>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(Arc::<[String]>::from(hosts), only_operators))
        // Called by supervisors, which may use any name for the node; a page learns nothing from
        // them.
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(Ops { registry, readiness, look: Arc::default() });
    listener.serve(routes, shutdown).await
}

/// A page must not read how much is in the deposit, and could: see [`is_for_other_host`].
async fn only_operators(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let refused = if is_from_other_page(headers, []) {
        "origin_not_allowed: a browser sent this request for a page\n"
    } else if is_for_other_host(headers, hosts.iter().map(String::as_str)) {
        "host_not_allowed: the name in Host must be in listen.ops_hosts; an IP address needs no setting\n"
    } else {
        return next.run(request).await;
    };
    (StatusCode::FORBIDDEN, refused).into_response()
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

#[derive(Deserialize)]
struct Format {
    format: Option<String>,
}

/// 200 if every sponsorship that a policy allows could succeed now.
async fn status(State(ops): State<Ops>, Query(wanted): Query<Format>, headers: HeaderMap) -> Response {
    let checks = ops.look.found(ops.readiness.status()).await;
    let ok = checks.iter().all(|check| check.problem.is_none());
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let accepts_json = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    match wanted.format.as_deref() {
        Some("json") => (status, Json(status_json(ok, &checks))).into_response(),
        None if accepts_json => (status, Json(status_json(ok, &checks))).into_response(),
        None | Some("text") => (status, status_text(ok, &checks)).into_response(),
        Some(_) => (StatusCode::BAD_REQUEST, "format: expected json or text\n").into_response(),
    }
}

fn status_json(ok: bool, checks: &[Check]) -> Value {
    json!({ "ok": ok, "checks": checks.iter().map(check_json).collect::<Vec<_>>() })
}

fn check_json(Check { name, chain_id, problem }: &Check) -> Value {
    let mut json = json!({ "name": name, "ok": problem.is_none(), "problem": problem });
    if let Some(chain_id) = chain_id {
        json["chainId"] = (*chain_id).into();
    }
    json
}

fn status_text(ok: bool, checks: &[Check]) -> String {
    let mut text = String::from(if ok { "ok\n" } else { "not every sponsorship could succeed now\n" });
    for check in checks {
        text.push_str(&format!("{check}\n"));
    }
    text
}

async fn metrics(State(ops): State<Ops>) -> Result<Vec<u8>, StatusCode> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&ops.registry.gather(), &mut text).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(text)
}
