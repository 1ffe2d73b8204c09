//! Pages at the origins of `kms.origins` may call the browser routes; the browser blocks all
//! others.

use std::time::Duration;

use api_keys::X_API_KEY;
use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::request_id;
use crate::origin::Origin;

/// How long a browser may cache the answer to a preflight. Chromium allows no more than this.
const MAX_AGE: Duration = Duration::from_secs(7200);

/// Answers preflights itself, before other layers see them. Browser credentials are never
/// requested.
pub(super) fn layer(origins: &[Origin]) -> CorsLayer {
    let values = origins.iter().filter_map(Origin::of_page).filter_map(|origin| HeaderValue::from_str(&origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(values))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, X_API_KEY, request_id::HEADER])
        .expose_headers([request_id::HEADER, header::RETRY_AFTER])
        .max_age(MAX_AGE)
}
