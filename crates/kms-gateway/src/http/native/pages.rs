//! No page at an origin other than those of `kms.origins` calls what is for servers, whatever its
//! browser takes this port for: whoever provisions a new TEE first is its admin, and any page could
//! be.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use crate::origin::Origin;

/// Origins of pages as browsers name them.
#[derive(Clone)]
pub(super) struct Pages(Arc<[String]>);

impl Pages {
    pub(super) fn at(origins: &[Origin]) -> Self {
        Self(origins.iter().filter_map(Origin::of_page).collect())
    }
}

/// Refuses what a page elsewhere sent.
pub(super) async fn layer(State(Pages(origins)): State<Pages>, request: Request, next: Next) -> Response {
    if serve::is_from_other_page(request.headers(), origins.iter().map(String::as_str)) {
        return ApiError::page_not_allowed().into_response();
    }
    next.run(request).await
}
