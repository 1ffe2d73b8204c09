//! The native HTTP API of the KMS (docs/api.md), one file per group of routes.

mod accounts;
mod admin;
mod attestation;
mod body;
mod caller;
mod cors;
mod error;
mod messages;
mod operations;
mod pages;
mod request_id;
mod setup;
mod status;
mod time;
mod turns;
mod webauthn;

use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use kms_api::Route;
use kms_api::accounts::{CreateAccount, GetAccount};
use kms_api::attestation::GetAttestation;
use kms_api::messages::SignMessage;
use kms_api::operations::{SignOperation, SponsorOperation};
use kms_api::status::{GetHealth, GetQueueStatus, GetRollbackCounter, GetStats, GetVersion};
use kms_api::webauthn::{BeginRegistration, FinishRegistration};
use serve::{Full, Turns};

pub use setup::read_setup;

use super::MAX_BODY;
use crate::gateway::Gateway;
use error::ApiError;
use pages::Pages;

/// The answer of the route with request type `R`.
type Answered<R> = Result<Json<<R as Route>::Answer>, ApiError>;

/// The routes of this gateway.
pub(super) fn router(gateway: Gateway) -> Router {
    let cors = cors::layer(&gateway.settings().origins);
    let pages = Pages::at(&gateway.settings().origins);
    named(browsers())
        // Inside the CORS layer, so that a page can read this answer.
        .fallback(|| async { ApiError::not_found() })
        .layer(cors)
        .merge(named(servers()).layer(middleware::from_fn_with_state(pages, pages::layer)))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state((Turns::default(), gateway.clone()), turns::layer))
        .layer(middleware::from_fn(request_id::layer))
        .layer(middleware::from_fn_with_state(gateway.clone(), time::layer))
        .with_state(gateway)
}

/// Routes that a page may call: registration, accounts, their messages, and public queries.
fn browsers() -> Router<Gateway> {
    Router::new()
        .route(BeginRegistration::PATH, post(webauthn::begin))
        .route(FinishRegistration::PATH, post(webauthn::finish))
        .route(CreateAccount::PATH, post(accounts::create))
        .route(GetAccount::PATH, get(accounts::show))
        .route(SignMessage::PATH, post(messages::sign))
        .route(GetHealth::PATH, get(status::health))
        .route(GetVersion::PATH, get(status::version))
        .route(GetStats::PATH, get(status::stats))
        .route(GetQueueStatus::PATH, get(status::queue_status))
        .route(GetRollbackCounter::PATH, get(status::rollback_counter))
        .route(GetAttestation::PATH, get(attestation::show))
}

/// Routes for relays and admins. No page holds a relay's key, and none should send or see an
/// admin's commands.
fn servers() -> Router<Gateway> {
    Router::new()
        .route(SponsorOperation::PATH, post(operations::sponsor))
        .route(SignOperation::PATH, post(operations::sign))
        .merge(admin::routes())
}

/// Applied before a layer wraps the routes: a fallback added later would be outside of it, and
/// preflights with it.
fn named(routes: Router<Gateway>) -> Router<Gateway> {
    routes.method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
}

/// Answers requests refused for lack of room; preflights are answered normally, so that a page can
/// read why the request itself is refused.
pub(super) fn no_room(gateway: &Gateway) -> Router {
    Router::new()
        .fallback(|Extension(full): Extension<Full>| async move { ApiError::no_room(full) })
        .layer(cors::layer(&gateway.settings().origins))
        .layer(middleware::from_fn(request_id::layer))
}
