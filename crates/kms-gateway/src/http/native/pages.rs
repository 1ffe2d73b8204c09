//! Pages at origins other than those of `kms.origins` cannot call server routes, whatever address
//! their browser believes this port to have: the first to provision a new TEE becomes its admin,
//! and that could otherwise be any page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use crate::origin::Origin;

/// Page origins in the form that browsers send.
#[derive(Clone)]
pub(super) struct Pages(Arc<[String]>);

impl Pages {
    pub(super) fn at(origins: &[Origin]) -> Self {
        Self(origins.iter().filter_map(Origin::of_page).collect())
    }
}

/// Refuses requests from other pages.
pub(super) async fn layer(State(Pages(origins)): State<Pages>, request: Request, next: Next) -> Response {
    if serve::is_from_other_page(request.headers(), origins.iter().map(String::as_str)) {
        return ApiError::page_not_allowed().into_response();
    }
    next.run(request).await
}
