//! Keeps caches between client and port from answering in place of the service: an ingress may keep
//! the state of an earlier second, and a refusal that no longer holds.

use http::Response;
use http::header::{CACHE_CONTROL, HeaderValue};

/// Marks an answer as one that no cache may keep (RFC 9111, 5.2.2.5).
pub(crate) fn forbid_caching<B>(response: &mut Response<B>) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
