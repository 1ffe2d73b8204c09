//! The node's end of the admin socket.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use paymaster_relay::store::{Ledger, LedgerQuery, Page, StoreError, UsageQuery, UsageRow};

use super::api::{LEDGER, USAGE};
use crate::admin_socket::Refusal;

type Refused = (StatusCode, Json<Refusal>);

/// The routes of the ledger.
pub fn routes(ledger: Arc<dyn Ledger>) -> Router {
    Router::new().route(LEDGER, post(page)).route(USAGE, post(usage)).with_state(ledger)
}

async fn page(State(ledger): State<Arc<dyn Ledger>>, Json(query): Json<LedgerQuery>) -> Result<Json<Page>, Refused> {
    ledger.page(&query).await.map(Json).map_err(refused)
}

async fn usage(
    State(ledger): State<Arc<dyn Ledger>>,
    Json(query): Json<UsageQuery>,
) -> Result<Json<Vec<UsageRow>>, Refused> {
    ledger.usage(&query).await.map(Json).map_err(refused)
}

fn refused(error: StoreError) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, Json(Refusal { error: format!("relay.database: {error}") }))
}
