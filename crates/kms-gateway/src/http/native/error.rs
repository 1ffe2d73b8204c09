//! Errors of the API as HTTP answers. The table of reasons is [`kms_api::Reason`].

use std::convert::Infallible;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kms_api::{ErrorBody, Reason, Refusal};
use proto::json::{Excerpt, InvalidField};
use serve::Full;

use crate::gateway::GatewayError;
use crate::text::shortened;

/// An error as sent to the caller.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    reason: Reason,
    message: String,
    retryable: bool,
    /// Seconds.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn invalid_field(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(Reason::InvalidField, format!("{}: {problem}", Excerpt(field)))
    }

    pub(super) fn malformed_json(problem: impl std::fmt::Display) -> Self {
        Self::new(Reason::MalformedJson, problem.to_string())
    }

    pub(super) fn not_json() -> Self {
        Self::new(Reason::NotJson, "expected content-type application/json")
    }

    pub(super) fn encoded(found: &str) -> Self {
        let message = format!("Content-Encoding {}: send the body unencoded (identity)", Excerpt(found));
        Self::new(Reason::ContentEncodingNotSupported, message)
    }

    pub(super) fn body_too_large() -> Self {
        Self::new(Reason::BodyTooLarge, format!("the body is over {} bytes", crate::http::MAX_BODY))
    }

    pub(super) fn body_not_received() -> Self {
        Self::new(Reason::BodyNotReceived, "the body did not arrive in time")
    }

    pub(super) fn body_malformed() -> Self {
        Self::new(Reason::BodyMalformed, "the body violates HTTP/1.1: its chunks or its length are malformed")
    }

    pub(super) fn page_not_allowed() -> Self {
        let message =
            "a browser sent this for a page at an origin that is not in kms.origins; this route is for servers";
        Self::new(Reason::PageNotAllowed, message)
    }

    pub(super) fn no_room(full: Full) -> Self {
        let reason = match full {
            Full::Late { .. } => Reason::RequestTimeout,
            _ => Reason::TooManyConnections,
        };
        Self::new(reason, full.to_string())
    }

    pub(super) fn not_found() -> Self {
        Self::new(Reason::NotFound, "no such route")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(Reason::MethodNotAllowed, "the route does not support this method")
    }

    fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = shortened(message.into());
        Self { reason, message, retryable: reason.is_retryable(), retry_after: None }
    }

    /// The answer to the request with this id.
    pub(super) fn response(&self, request_id: &str) -> Response {
        let mut response = (self.status(), Json(self.body(request_id))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.reason == Reason::ContentEncodingNotSupported {
            // RFC 9110, 15.5.16.
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        response
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn body(&self, request_id: &str) -> ErrorBody {
        let Self { reason, message, retryable, .. } = self.clone();
        ErrorBody { error: Refusal { reason: reason.into(), message, request_id: request_id.to_owned(), retryable } }
    }
}

impl From<GatewayError> for ApiError {
    fn from(error: GatewayError) -> Self {
        Self {
            retryable: error.is_retryable(),
            retry_after: match error {
                GatewayError::AttestationTooSoon { retry_after_seconds, .. }
                | GatewayError::CreationRationed { retry_after_seconds, .. }
                | GatewayError::MessageRationed { retry_after_seconds }
                | GatewayError::RotationTooSoon { retry_after_seconds, .. } => Some(retry_after_seconds),
                _ => None,
            },
            ..Self::new(error.reason(), error.to_string())
        }
    }
}

impl From<InvalidField> for ApiError {
    fn from(invalid: InvalidField) -> Self {
        Self::invalid_field(&invalid.field, invalid.problem)
    }
}

impl From<Infallible> for ApiError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The request-id layer, which knows the id, writes the answer.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
