//! The API key of a request, as clients can carry it: `Authorization: Bearer` or `x-api-key`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use proto::json::invitation::SignedInvitation;

use kms_api::headers::API_KEY;

use super::error::ApiError;
use crate::api_keys::ApiKeyHash;
use crate::gateway::CreationProof;

/// `x-api-key`.
pub(super) const X_API_KEY: HeaderName = HeaderName::from_static(API_KEY);
/// The name of the scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";

/// By whose leave the request has an account made: the invitation's, before that of a key.
pub(super) fn proof(
    headers: &HeaderMap,
    invitation: Option<SignedInvitation>,
) -> Result<Option<CreationProof>, ApiError> {
    let api_key = of(headers)?.map(CreationProof::ApiKey);
    Ok(invitation.map(CreationProof::Invitation).or(api_key))
}

/// `None`: the request has none. An empty one, of a variable that was not set, is none.
fn of(headers: &HeaderMap) -> Result<Option<ApiKeyHash>, ApiError> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| bearer(value.as_bytes()));
    let mut keys = bearers.collect::<Result<Vec<_>, _>>()?;
    keys.extend(headers.get_all(X_API_KEY).iter().map(HeaderValue::as_bytes));
    let mut keys = keys.into_iter().filter(|key| !key.is_empty()).map(ApiKeyHash::of);
    let Some(first) = keys.next() else { return Ok(None) };
    if keys.any(|other| other != first) {
        return Err(ApiError::invalid_field(API_KEY, "differs from another key of the request: send one"));
    }
    Ok(Some(first))
}

fn bearer(value: &[u8]) -> Result<&[u8], ApiError> {
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => Ok(key),
        None if value.eq_ignore_ascii_case(SCHEME.trim_ascii_end()) => Ok(&[]),
        _ => Err(ApiError::invalid_field("Authorization", "expected Bearer <key>")),
    }
}
