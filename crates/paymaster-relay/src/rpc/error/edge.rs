//! Errors before any method is called.

use jsonrpsee::types::ErrorObjectOwned;
use proto::json::InvalidField;
use relay_api::Method;
use serde_json::{Map, Value, json};
use serve::Full;
use thiserror::Error;

use super::details::{map, supported_chains};
use super::{FAILED, INVALID_PARAMS, KEY_REFUSED, OUTAGE, THROTTLED, object};
use crate::clients::Denied;
use crate::rpc::RequestId;

/// Errors before any method is called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::rpc) enum EdgeError {
    #[error("the body is not a JSON request")]
    MalformedJson,
    #[error("not a JSON-RPC 2.0 request")]
    InvalidRequest,
    #[error("unknown method {method:?}; known methods: {}", names().join(", "))]
    MethodNotFound {
        /// Truncated.
        method: String,
    },
    #[error(transparent)]
    Params(InvalidField),
    #[error("the body is over the limit of {limit} bytes")]
    BodyTooLarge { limit: u32 },
    #[error("the body did not arrive in time")]
    BodyNotReceived,
    #[error("the body violates HTTP/1.1: its chunks or its length are malformed")]
    BodyMalformed,
    #[error("the batch has {calls} calls; the limit is {limit}")]
    BatchTooLarge { limit: u32, calls: usize },
    #[error("the batch is far over the limit of {limit} calls")]
    BatchFarTooLarge { limit: u32 },
    #[error("the answer is over the limit of {limit} bytes")]
    ResponseTooLarge { limit: u32 },
    #[error("requests are sent with POST")]
    PostRequired,
    #[error("Content-Type must be application/json")]
    ContentTypeNotJson,
    #[error("the body is encoded as {found}; send it without a Content-Encoding")]
    ContentEncodingNotSupported {
        /// Truncated.
        found: String,
    },
    #[error("{0}")]
    TooManyConnections(Full),
    #[error("no answer within {seconds} s, the time for a request or a whole batch")]
    OutOfTime { seconds: u64 },
    #[error("invalid WebSocket handshake: {why}")]
    InvalidHandshake { why: String },
    #[error(
        "unknown path; the paths are /, /rpc, /rpc/<chain id>, /rpc/<key>, /rpc/<chain id>/<key>; keys start with srk_"
    )]
    PathNotFound,
    #[error(
        "the path is for chain {given}; this relay serves chain {}",
        supported.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
    )]
    PathOfOtherChain { given: u128, supported: Vec<u64> },
    #[error(
        "pages at this origin are not allowed: see relay.rpc.allowed_origins, and on the path of a key the key's --origin"
    )]
    PageNotAllowed,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the request failed")]
    Failed,
}

fn names() -> Vec<&'static str> {
    Method::all().map(Method::name).collect()
}

impl EdgeError {
    const fn row(&self) -> (i32, &'static str, bool) {
        match self {
            Self::MalformedJson => (-32700, "malformed_json", false),
            Self::InvalidRequest => (-32600, "invalid_request", false),
            Self::MethodNotFound { .. } => (-32601, "method_not_found", false),
            Self::Params(_) => (INVALID_PARAMS, "invalid_field", false),
            Self::BodyTooLarge { .. } => (-32600, "body_too_large", false),
            Self::BodyNotReceived => (-32600, "body_not_received", true),
            Self::BodyMalformed => (-32600, "body_malformed", false),
            Self::BatchTooLarge { .. } => (-32600, "batch_too_large", false),
            Self::BatchFarTooLarge { .. } => (-32600, "batch_too_large", false),
            Self::ResponseTooLarge { .. } => (-32600, "response_too_large", false),
            Self::PostRequired => (-32600, "post_required", false),
            Self::ContentTypeNotJson => (-32600, "content_type_not_json", false),
            Self::ContentEncodingNotSupported { .. } => (-32600, "content_encoding_not_supported", false),
            Self::TooManyConnections(Full::Port { .. } | Full::Address { .. } | Full::Share { .. }) => {
                (-32005, "too_many_connections", true)
            }
            Self::TooManyConnections(Full::Upgrades { .. } | Full::UpgradesOfAddress { .. }) => {
                (-32005, "too_many_websockets", true)
            }
            Self::OutOfTime { .. } | Self::TooManyConnections(Full::Late { .. }) => (OUTAGE, "request_timeout", true),
            Self::InvalidHandshake { .. } => (-32600, "invalid_handshake", false),
            Self::PathNotFound => (-32600, "path_not_found", false),
            Self::PathOfOtherChain { .. } => (INVALID_PARAMS, "wrong_chain", false),
            Self::PageNotAllowed => (KEY_REFUSED, "origin_not_allowed", false),
            Self::Denied(denied) => denied_row(denied),
            Self::Failed => (FAILED, "internal", false),
        }
    }

    pub(in crate::rpc) const fn reason(&self) -> &'static str {
        self.row().1
    }

    /// The message without the list of methods, which the log would repeat for each unknown method.
    pub(in crate::rpc) fn for_log(&self) -> String {
        match self {
            Self::MethodNotFound { method } => format!("unknown method {method:?}"),
            error => error.to_string(),
        }
    }

    pub(in crate::rpc) fn to_object(&self, request_id: &RequestId) -> ErrorObjectOwned {
        let (code, reason, retryable) = self.row();
        object(code, reason, retryable, &self.to_string(), self.details(), request_id)
    }

    fn details(&self) -> Map<String, Value> {
        map(match self {
            Self::MethodNotFound { .. } => json!({ "supported": names() }),
            Self::Params(invalid) => json!({ "field": invalid.field }),
            Self::BodyTooLarge { limit } | Self::BatchFarTooLarge { limit } | Self::ResponseTooLarge { limit } => {
                json!({ "limit": limit.to_string() })
            }
            Self::TooManyConnections(
                Full::Port { limit }
                | Full::Address { limit }
                | Full::Share { limit }
                | Full::Upgrades { limit }
                | Full::UpgradesOfAddress { limit },
            ) => json!({ "limit": limit.to_string() }),
            Self::OutOfTime { seconds } | Self::TooManyConnections(Full::Late { seconds }) => {
                json!({ "limit": seconds.to_string() })
            }
            Self::BatchTooLarge { limit, calls } => json!({ "limit": limit.to_string(), "used": calls.to_string() }),
            Self::ContentEncodingNotSupported { .. } => json!({ "supported": ["identity"] }),
            Self::PathOfOtherChain { supported, .. } => supported_chains(supported),
            Self::Denied(Denied::ScopeMissing { required, scopes }) => {
                json!({ "required": required, "supported": scopes })
            }
            Self::Denied(Denied::RateLimited { limit, retry_after, .. }) => {
                json!({ "limit": limit.to_string(), "retryAfter": retry_after })
            }
            Self::Denied(Denied::QuotaExhausted { limit, reset_at, is_own_share: true }) => {
                json!({ "limit": limit.to_string(), "resetAt": reset_at })
            }
            Self::Denied(Denied::QuotaExhausted { limit, reset_at, is_own_share: false }) => {
                json!({ "limit": limit.to_string(), "used": limit.to_string(), "resetAt": reset_at })
            }
            _ => Value::Null,
        })
    }
}

const fn denied_row(denied: &Denied) -> (i32, &'static str, bool) {
    match denied {
        Denied::KeyMissing | Denied::KeyUnknown | Denied::KeysDiffer | Denied::KeyRevoked => {
            (KEY_REFUSED, "unauthorised", false)
        }
        Denied::KeyExpired { .. } => (KEY_REFUSED, "api_key_expired", false),
        Denied::OriginNotAllowed { .. } => (KEY_REFUSED, "origin_not_allowed", false),
        Denied::ScopeMissing { .. } => (KEY_REFUSED, "scope_missing", false),
        Denied::RateLimited { .. } => (THROTTLED, "rate_limited", true),
        Denied::QuotaExhausted { .. } => (THROTTLED, "quota_exhausted", true),
    }
}
