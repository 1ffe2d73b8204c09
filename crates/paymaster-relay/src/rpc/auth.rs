//! The API keys that a request carries: hashed where they are read, and taken out of it.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::clients::KeyHash;

/// The scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Takes the keys out of the headers: nothing behind the edge can log them.
pub(super) fn take_keys(headers: &mut HeaderMap) -> Vec<KeyHash> {
    let bearer = headers.remove(AUTHORIZATION);
    let bearer = bearer.as_ref().and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| KeyHash::of(key))
    });
    let plain = headers.remove(X_API_KEY).map(|value| KeyHash::of(value.as_bytes()));
    bearer.into_iter().chain(plain).collect()
}
