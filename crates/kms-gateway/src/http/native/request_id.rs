//! Every request has an id: the caller's if it is valid, otherwise a new one. It appears in every
//! answer, log line and audit row.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use kms_api::headers::REQUEST_ID;
use proto::json::Excerpt;
use tracing::Instrument;
use uuid::Uuid;

use super::error::ApiError;

/// `X-Request-Id`.
pub(super) const HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);
const MAX_LENGTH: usize = 64;

/// The id of the current request.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub String);

/// Assigns the request its id, and writes error answers.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|value| is_sane(value))
        .map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method(), Excerpt(request.uri().path()));
    let span = tracing::info_span!("kms", request_id = %id, method = %Excerpt(method.as_str()), %path);
    let mut response = next.run(request).instrument(span).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let headers = std::mem::take(response.headers_mut());
        response = error.response(&id);
        // The headers for the browser apply to the error too. Its length differs.
        let kept = headers.into_iter().filter(|(name, _)| *name != Some(header::CONTENT_LENGTH));
        response.headers_mut().extend(kept);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed)
}
