//! The one table of the API's errors: which HTTP status each reason has. Inside words stay inside.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::Status;
use proto::json::{Excerpt, InvalidField};
use serde_json::{Value, json};
use serve::Full;

use crate::ceremony::CeremonyError;
use crate::gateway::GatewayError;
use crate::text::shortened;

/// An error as the caller gets it.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retryable: bool,
    /// Seconds.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn invalid_field(field: &str, problem: impl std::fmt::Display) -> Self {
        let message = format!("{}: {problem}", Excerpt(field));
        Self::refusal(StatusCode::BAD_REQUEST, "invalid_field", message)
    }

    pub(super) fn malformed_json(problem: impl std::fmt::Display) -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, "malformed_json", problem.to_string())
    }

    pub(super) fn not_json() -> Self {
        let message = "expected content-type application/json";
        Self::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message.into())
    }

    pub(super) fn encoded(found: &str) -> Self {
        let message = format!("Content-Encoding {}: send the body as it is (identity)", Excerpt(found));
        Self::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding_not_supported", message)
    }

    pub(super) fn body_too_large() -> Self {
        let message = format!("the body is over {} bytes", super::MAX_BODY);
        Self::refusal(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(super) fn body_not_received() -> Self {
        let message = "the body did not arrive in time".into();
        Self { retryable: true, ..Self::refusal(StatusCode::REQUEST_TIMEOUT, "body_not_received", message) }
    }

    pub(super) fn body_malformed() -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, "body_malformed", "the body is not sent as HTTP/1.1 says".into())
    }

    pub(super) fn page_not_allowed() -> Self {
        let message =
            "a browser sent this for a page at an origin that is not in kms.origins; this route is for servers";
        Self::refusal(StatusCode::FORBIDDEN, "origin_not_allowed", message.into())
    }

    pub(super) fn no_room(full: Full) -> Self {
        let message = full.to_string();
        match full {
            Full::Late { .. } => Self::request_timeout(message),
            _ => Self::too_many_connections(message),
        }
    }

    fn request_timeout(message: String) -> Self {
        Self { retryable: true, ..Self::refusal(StatusCode::SERVICE_UNAVAILABLE, "request_timeout", message) }
    }

    fn too_many_connections(message: String) -> Self {
        Self { retryable: true, ..Self::refusal(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", message) }
    }

    pub(super) fn not_found() -> Self {
        Self::refusal(StatusCode::NOT_FOUND, "not_found", "no such route".into())
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the route takes another method".into();
        Self::refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    fn refusal(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message: shortened(message), retryable: false, retry_after: None }
    }

    /// The answer to the request of this id.
    pub(super) fn response(&self, request_id: &str) -> Response {
        let mut response = (self.status, Json(self.body(request_id))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == "content_encoding_not_supported" {
            // RFC 9110, 15.5.16.
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        response
    }

    fn body(&self, request_id: &str) -> Value {
        json!({ "error": {
            "code": self.code,
            "message": self.message,
            "requestId": request_id,
            "retryable": self.retryable,
        }})
    }
}

impl From<GatewayError> for ApiError {
    fn from(error: GatewayError) -> Self {
        Self {
            status: status_of(&error),
            code: error.code(),
            message: shortened(error.to_string()),
            retryable: error.is_retryable(),
            retry_after: match error {
                GatewayError::AttestationTooSoon { retry_after_seconds, .. }
                | GatewayError::CreationRationed { retry_after_seconds, .. }
                | GatewayError::RotationTooSoon { retry_after_seconds, .. } => Some(retry_after_seconds),
                _ => None,
            },
        }
    }
}

impl From<InvalidField> for ApiError {
    fn from(invalid: InvalidField) -> Self {
        Self::invalid_field(&invalid.field, invalid.problem)
    }
}

/// The answer is written by the request-id layer, which alone knows the id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The HTTP status of an error; of the server's kind when it is not about the request.
#[must_use]
pub fn status_of(error: &GatewayError) -> StatusCode {
    match error {
        GatewayError::Refused(status) | GatewayError::Registration(CeremonyError::Refused(status)) => {
            status_of_refusal(*status)
        }
        GatewayError::TimestampSkewed { .. }
        | GatewayError::NonceReplayed
        | GatewayError::SignerMismatch
        | GatewayError::PublicKeyMismatch
        | GatewayError::CreationUnauthorised
        | GatewayError::ApiKeyUnknown => StatusCode::UNAUTHORIZED,
        GatewayError::InvitationInvalid { .. }
        | GatewayError::InvitationExpired { .. }
        | GatewayError::InvitationUsedUp { .. } => StatusCode::FORBIDDEN,
        GatewayError::Registration(CeremonyError::Unknown) => StatusCode::NOT_FOUND,
        GatewayError::Registration(CeremonyError::NotVerified) => StatusCode::CONFLICT,
        GatewayError::Registration(CeremonyError::InvalidField(_) | CeremonyError::Invalid { .. }) => {
            StatusCode::BAD_REQUEST
        }
        GatewayError::SignatureSchemeConflict => StatusCode::CONFLICT,
        GatewayError::AttestationTooSoon { .. }
        | GatewayError::CreationRationed { .. }
        | GatewayError::RotationTooSoon { .. } => StatusCode::TOO_MANY_REQUESTS,
        GatewayError::StoreUnavailable
        | GatewayError::StoreFailing { .. }
        | GatewayError::StoreSilent { .. }
        | GatewayError::TeeBusy
        | GatewayError::TeeUnavailable
        | GatewayError::TeeProtectionInsufficient(_)
        | GatewayError::TeeStateLost(_)
        | GatewayError::FactoryUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        GatewayError::TeeReplyInvalid | GatewayError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_of_refusal(status: Status) -> StatusCode {
    match status {
        Status::WindowInvalid
        | Status::TermsInvalid
        | Status::CeilingsInvalid
        | Status::PermissionsMeaningless
        | Status::OperationInvalid
        | Status::PaymasterPresent
        | Status::PaymasterMissing
        | Status::AccountIdReserved
        | Status::PublicKeyInvalid => StatusCode::BAD_REQUEST,

        Status::RelaySignatureInvalid
        | Status::PasskeyMissing
        | Status::CredentialUnknown
        | Status::ClientDataMalformed
        | Status::ClientDataTypeWrong
        | Status::ChallengeMismatch
        | Status::ChallengeEncodingInvalid
        | Status::OriginNotAllowed
        | Status::CrossOrigin
        | Status::AuthenticatorDataMalformed
        | Status::RpIdMismatch
        | Status::UserNotPresent
        | Status::UserNotVerified
        | Status::BackupStateInvalid
        | Status::BackupEligibilityChanged
        | Status::PasskeySignatureInvalid
        | Status::PasskeySignatureMalformed
        | Status::SignCountDecreased
        | Status::SignCountRepeated => StatusCode::UNAUTHORIZED,

        Status::AdminSignatureInvalid
        | Status::TeeIdMismatch
        | Status::RotationProofInvalid
        | Status::SignerNotAuthorised
        | Status::PermissionMissing
        | Status::DeploymentNotAllowed
        | Status::CostAboveCeiling
        | Status::WindowTooWide => StatusCode::FORBIDDEN,

        Status::AccountUnknown => StatusCode::NOT_FOUND,

        Status::AlreadyProvisioned
        | Status::CounterMismatch
        | Status::StandbyKeyMismatch
        | Status::SignerRecordMismatch
        | Status::TooManyAccounts
        | Status::SignerAlreadyAuthorised
        | Status::SignerReserved
        | Status::TooManySigners
        | Status::AccountExists
        | Status::CredentialConflict => StatusCode::CONFLICT,

        Status::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,

        Status::NotProvisioned
        | Status::StorageFailed
        | Status::EntropyFailed
        | Status::CounterFailed
        | Status::AttestationFailed => StatusCode::SERVICE_UNAVAILABLE,

        // The gateway and the trusted application disagree about the wire, or its records are corrupt or outdated.
        Status::Ok
        | Status::UnsupportedVersion
        | Status::UnknownCommand
        | Status::Malformed
        | Status::NotBatchable
        | Status::StorageCorrupt
        | Status::RollbackDetected
        | Status::SigningFailed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
