//! The API key of a request, as clients can carry it: `Authorization: Bearer` or `x-api-key`.

use axum::http::{HeaderMap, HeaderName, header};

use super::error::ApiError;
use crate::api_keys::ApiKeyHash;

/// `x-api-key`.
pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The name of the scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";

/// `None`: the request has none.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<ApiKeyHash>, ApiError> {
    let bearer = match headers.get(header::AUTHORIZATION) {
        Some(value) => Some(bearer(value.as_bytes())?),
        None => None,
    };
    let named = headers.get(X_API_KEY).map(|value| ApiKeyHash::of(value.as_bytes()));
    match (bearer, named) {
        (Some(one), Some(other)) if one != other => {
            Err(ApiError::invalid_field("x-api-key", "differs from the key in Authorization: send one"))
        }
        (bearer, named) => Ok(bearer.or(named)),
    }
}

fn bearer(value: &[u8]) -> Result<ApiKeyHash, ApiError> {
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => Ok(ApiKeyHash::of(key)),
        _ => Err(ApiError::invalid_field("Authorization", "expected Bearer <key>")),
    }
}
