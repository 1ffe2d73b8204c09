//! Pages at the origins of `kms.origins` may call what is meant for browsers; the browser keeps all
//! others out.

use std::time::Duration;

use api_keys::X_API_KEY;
use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::request_id;
use crate::origin::Origin;

/// How long a browser may keep the answer to a preflight. Chromium takes no more than this.
const MAX_AGE: Duration = Duration::from_secs(7200);

/// Answers preflights itself, before anything else looks at them. Credentials of the browser are
/// never asked for.
pub(super) fn layer(origins: &[Origin]) -> CorsLayer {
    let values = origins.iter().filter_map(Origin::of_page).filter_map(|origin| HeaderValue::from_str(&origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(values))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, X_API_KEY, request_id::HEADER])
        .expose_headers([request_id::HEADER, header::RETRY_AFTER])
        .max_age(MAX_AGE)
}
