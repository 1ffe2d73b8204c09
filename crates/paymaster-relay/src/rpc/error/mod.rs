//! The table of errors: every refusal with its code, stable reason, and whether the same request
//! may succeed later.
//!
//! Codes are those of JSON-RPC and ERC-7769. Refusals never use -32603 or -32005, with which
//! clients (viem) retry automatically; outages use -32603 for that reason, since a repeated request
//! is charged once.

mod details;
mod edge;
mod table;
#[cfg(test)]
mod tests;

use jsonrpsee::types::ErrorObjectOwned;
use proto::Status;
use proto::json::LongExcerpt;
use serde_json::{Map, Value};

use self::details::details;
pub(super) use self::edge::EdgeError;
pub(super) use self::table::of_status;
use self::table::row;
use super::RequestId;
use crate::bundler::{BundlerError, BundlerRefusal};
use crate::error::RelayError;

pub(super) const INVALID_PARAMS: i32 = -32602;
pub(super) const OUTAGE: i32 = -32603;
pub(super) const FAILED: i32 = -32000;
/// Refusals because of the API key. In the server's range, but none of EIP-1474's codes: clients
/// (viem) show their own text for those, and our message for this one.
pub(super) const KEY_REFUSED: i32 = -32050;
pub(super) const NOT_AVAILABLE: i32 = -32601;
/// An operation that a bundler may have taken. As [`KEY_REFUSED`], none of EIP-1474's codes, and
/// none with which clients send the call again.
pub(super) const IN_DOUBT: i32 = -32051;
pub(super) const REJECTED_BY_ENTRY_POINT: i32 = -32500;
pub(super) const REJECTED_BY_PAYMASTER: i32 = -32501;
pub(super) const TIME_RANGE: i32 = -32503;
pub(super) const THROTTLED: i32 = -32504;
pub(super) const SIGNATURE: i32 = -32507;
pub(super) const DEPOSIT: i32 = -32508;

/// Why a call has no result: the relay's refusal, or a bundler's, which is passed on as it came.
#[derive(Debug)]
pub(super) enum Refused {
    ByRelay(RelayError),
    ByBundler(BundlerRefusal),
}

impl<E: Into<RelayError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::ByRelay(error.into())
    }
}

impl Refused {
    pub(super) fn label(&self) -> &str {
        match self {
            Self::ByRelay(error) => label(error),
            Self::ByBundler(_) => "bundler_refused",
        }
    }

    pub(super) fn in_full(&self) -> String {
        match self {
            Self::ByRelay(error) => error.in_full(),
            Self::ByBundler(BundlerRefusal { code, message, .. }) => {
                format!("the bundler answered {code}: {}", LongExcerpt(message))
            }
        }
    }

    pub(super) fn to_object(&self, request_id: &RequestId) -> ErrorObjectOwned {
        match self {
            Self::ByRelay(error) => to_object(error, request_id),
            Self::ByBundler(BundlerRefusal { code, message, data }) => {
                ErrorObjectOwned::owned(*code, message.clone(), data.as_ref())
            }
        }
    }
}

impl From<BundlerError> for Refused {
    fn from(error: BundlerError) -> Self {
        match error {
            BundlerError::Refused(refusal) => Self::ByBundler(refusal),
            BundlerError::Unavailable { detail, in_doubt } => {
                Self::ByRelay(RelayError::BundlerUnavailable { detail, in_doubt })
            }
        }
    }
}

/// The reason as a metric's label: only known reasons, so that a remote KMS cannot add new ones.
fn label(error: &RelayError) -> &str {
    match error {
        RelayError::KmsRefused { reason, .. } => reason.status().map_or("kms_refused", Status::reason),
        other => row(other).1,
    }
}

/// The reason and the details of a refusal.
pub(super) fn described(error: &RelayError) -> (&str, Map<String, Value>) {
    (row(error).1, details(error))
}

fn to_object(error: &RelayError, request_id: &RequestId) -> ErrorObjectOwned {
    let (code, reason, retryable) = row(error);
    object(code, reason, retryable, &error.to_string(), details(error), request_id)
}

fn object(
    code: i32,
    reason: &str,
    retryable: bool,
    message: &str,
    mut data: Map<String, Value>,
    request_id: &RequestId,
) -> ErrorObjectOwned {
    data.insert("reason".to_owned(), reason.into());
    data.insert("retryable".to_owned(), retryable.into());
    data.insert("requestId".to_owned(), request_id.0.as_str().into());
    ErrorObjectOwned::owned(code, message, Some(data))
}
