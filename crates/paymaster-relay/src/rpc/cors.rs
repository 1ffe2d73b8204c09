//! Which pages may read an answer (CORS, Fetch standard section 3.2). No browser credentials: keys
//! are sent in headers and paths.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Method, Request};

use crate::clients::{KeyKind, LiveKey, Origins};

/// `*` does not include the Authorization header (Fetch standard), so that one is listed.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-api-key, x-request-id, *");
const TWO_HOURS: HeaderValue = HeaderValue::from_static("7200");

/// The permissions of the page that sent a request.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    allowed: Option<HeaderValue>,
    /// Whether there is a page at all.
    has_origin: bool,
}

impl Grant {
    /// By the rules of the publishable key in the path, otherwise by the settings. With an unknown
    /// key in the path every page may read the refusal.
    pub(super) fn of(headers: &HeaderMap, settings: &Origins, in_path: Option<Option<&LiveKey>>) -> Self {
        let every = Origins::any();
        let origins = match in_path {
            Some(Some(live)) if live.key().kind == KeyKind::Publishable => &live.key().origins,
            Some(None) => &every,
            Some(Some(_)) | None => settings,
        };
        let origin = headers.get(ORIGIN);
        let text = origin.and_then(|value| value.to_str().ok());
        let allowed = match origin {
            Some(_) if origins.is_any() => Some(HeaderValue::from_static("*")),
            Some(value) if text.is_some() && origins.allows(text) => Some(value.clone()),
            _ => None,
        };
        Self { allowed, has_origin: origin.is_some() }
    }

    /// Whether it was sent by a page that is not allowed.
    pub(super) const fn is_refused(&self) -> bool {
        self.has_origin && self.allowed.is_none()
    }

    /// Writes the headers of an answer.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        if let Some(allowed) = self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
        }
    }
}

/// Whether this is a preflight request.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Writes the allowed methods and headers.
pub(super) fn write_preflight(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, TWO_HOURS);
}
