//! The body of every refusal or failure.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::reason::ReceivedReason;

/// `{"error": {...}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The refusal and its reason.
    pub error: Refusal,
}

/// A refusal or a failure. Its HTTP status is [`crate::Reason::http_status`]; `Retry-After` is a
/// header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The reason.
    #[serde(rename = "code")]
    pub reason: ReceivedReason,
    /// For people. May quote the request, truncated.
    pub message: String,
    /// Identifies the request in the gateway's log and audit.
    #[serde(default)]
    pub request_id: String,
    /// Whether the same bytes may succeed later.
    #[serde(default)]
    pub retryable: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}
