//! The table of errors: every refusal with its code, stable reason, and whether the same request
//! may succeed later.
//!
//! Codes are those of JSON-RPC and ERC-7769. Refusals never use -32603 or -32005, with which
//! clients (viem) retry automatically; outages use -32603 for that reason, since a repeated request
//! is charged once.

use jsonrpsee::types::ErrorObjectOwned;
use proto::json::{InvalidField, LongExcerpt};
use proto::{Address, Hash, Status};
use relay_api::{Method, Reason};
use serde::Serialize;
use serde_json::{Map, Value, json};
use serve::Full;
use thiserror::Error;

use super::RequestId;
use crate::budget::{Bound, Scope};
use crate::bundler::{BundlerError, BundlerRefusal};
use crate::clients::Denied;
use crate::error::{OperationError, RelayError, RequestError};
use crate::policy::Violation;

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

/// Errors before any method is called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum EdgeError {
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

    pub(super) const fn reason(&self) -> &'static str {
        self.row().1
    }

    /// The message without the list of methods, which the log would repeat for each unknown method.
    pub(super) fn for_log(&self) -> String {
        match self {
            Self::MethodNotFound { method } => format!("unknown method {method:?}"),
            error => error.to_string(),
        }
    }

    pub(super) fn to_object(&self, request_id: &RequestId) -> ErrorObjectOwned {
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

/// The code, the stable reason, and whether the same request may succeed later, byte for byte,
/// without a change of a setting, a key, a permission or a clock: because of time, other requests,
/// changes on chain, or the end of an outage.
fn row(error: &RelayError) -> (i32, &str, bool) {
    match error {
        RelayError::Request(error) => request_row(error),
        RelayError::Operation(error) => operation_row(error),
        // It ends with its window, unless it was mined.
        RelayError::PolicyConflict { is_mined: true, .. } => (INVALID_PARAMS, "policy_conflict", false),
        RelayError::PolicyConflict { .. } => (INVALID_PARAMS, "policy_conflict", true),
        RelayError::PaymasterReplaced { .. } => (INVALID_PARAMS, "paymaster_replaced", true),
        RelayError::InvitationNotAllowed => (KEY_REFUSED, "invitation_not_allowed", false),
        // The same applies to the use of the key.
        RelayError::IdempotencyConflict { is_mined: true } | RelayError::OtherIdempotencyKey { is_mined: true } => {
            (INVALID_PARAMS, "idempotency_conflict", false)
        }
        RelayError::IdempotencyConflict { .. } | RelayError::OtherIdempotencyKey { .. } => {
            (INVALID_PARAMS, "idempotency_conflict", true)
        }
        RelayError::Policy { violation: Violation::PasskeyMissing, .. } => (SIGNATURE, "passkey_missing", false),
        RelayError::Policy { violation, .. } => (REJECTED_BY_PAYMASTER, violation.reason(), false),
        RelayError::ChainIdle { .. } => (TIME_RANGE, "chain_idle", true),
        // An operator has to act. Although an idle chain may catch up, waiting does not help.
        RelayError::ChainClock(_) => (FAILED, "clock_skewed", false),
        RelayError::KmsClockSkewed { .. } => (FAILED, "clock_skewed", false),
        RelayError::DepositTooLow { .. } => (DEPOSIT, "paymaster_deposit_too_low", true),
        RelayError::PasskeyRefused { status } => (kms_code(Some(*status)), status.reason(), false),
        RelayError::AccountNeedsPasskey { .. } => (SIGNATURE, "account_needs_passkey", false),
        RelayError::WithoutPasskeyNotPermitted => (REJECTED_BY_PAYMASTER, "without_passkey_not_permitted", false),
        RelayError::TooManyRefusals { .. } => (REJECTED_BY_PAYMASTER, "refusal_limit_reached", true),
        RelayError::TooManySignings { .. } => (REJECTED_BY_PAYMASTER, "signing_limit_reached", true),
        RelayError::TooMuchReserved { scope: Scope::Account, .. } => {
            (REJECTED_BY_PAYMASTER, "account_reservations_exceeded", true)
        }
        RelayError::TooMuchReserved { scope: Scope::ApiKey, .. } => {
            (REJECTED_BY_PAYMASTER, "api_key_reservations_exceeded", true)
        }
        RelayError::TooMuchReserved {
            scope: Scope::UnprovenCaller | Scope::UnprovenPublic | Scope::Unproven | Scope::Deployment,
            ..
        } => (REJECTED_BY_PAYMASTER, "unproven_reservations_exceeded", true),
        RelayError::PaymasterPaused => (REJECTED_BY_PAYMASTER, "paymaster_paused", true),
        RelayError::PaymasterSignerNotAdmitted { .. } => (REJECTED_BY_PAYMASTER, "paymaster_signer_not_admitted", true),
        RelayError::KmsRefused { reason, .. } => {
            let status = reason.status();
            (kms_code(status), reason.as_str(), status.is_some_and(Status::is_retryable))
        }
        RelayError::KmsUnavailable { .. } => (OUTAGE, "kms_unavailable", true),
        RelayError::KmsReplyInvalid { .. } => (FAILED, "kms_reply_invalid", false),
        RelayError::ChainUnavailable(_) => (OUTAGE, "chain_unavailable", true),
        RelayError::ContractMismatch(_) => (FAILED, "contract_mismatch", false),
        RelayError::BundlerNotConfigured { .. } => (NOT_AVAILABLE, "bundler_not_configured", false),
        // A bundler has an operation once, however often it is sent to it.
        RelayError::BundlerUnavailable { in_doubt: true, .. } => (IN_DOUBT, "bundler_unavailable", true),
        RelayError::BundlerUnavailable { in_doubt: false, .. } => (OUTAGE, "bundler_unavailable", true),
        RelayError::StoreUnavailable(_) => (OUTAGE, "store_unavailable", true),
        RelayError::ClaimsUnavailable(_) => (OUTAGE, "claims_unavailable", true),
        RelayError::EntropyUnavailable(_) => (OUTAGE, "entropy_unavailable", true),
        RelayError::InFlight => (OUTAGE, "request_in_flight", true),
    }
}

const fn request_row(error: &RequestError) -> (i32, &'static str, bool) {
    match error {
        RequestError::InvalidField(_) => (INVALID_PARAMS, "invalid_field", false),
        RequestError::WrongChain { .. } => (INVALID_PARAMS, "wrong_chain", false),
        RequestError::ChainMismatch { .. } => (INVALID_PARAMS, "chain_mismatch", false),
        RequestError::ChainMissing { .. } => (INVALID_PARAMS, "chain_missing", false),
        RequestError::EntryPointNotSupported { .. } => (INVALID_PARAMS, "entry_point_not_supported", false),
        RequestError::UnknownPolicy { .. } => (INVALID_PARAMS, "unknown_policy", false),
        RequestError::PolicyNotAllowed { .. } => (KEY_REFUSED, "policy_not_allowed", false),
        RequestError::PaymasterNotOurs { .. } => (INVALID_PARAMS, "paymaster_not_ours", false),
        RequestError::ValidityTooShort { .. } => (INVALID_PARAMS, "validity_too_short", false),
    }
}

fn operation_row(error: &OperationError) -> (i32, &'static str, bool) {
    match error {
        OperationError::PostOpGasNotNeeded { .. } => (INVALID_PARAMS, "post_op_gas_not_needed", false),
        OperationError::PaymasterGasOutOfRange { .. } => (INVALID_PARAMS, "paymaster_gas_out_of_range", false),
        OperationError::VerificationGasMissing => (INVALID_PARAMS, "verification_gas_missing", false),
        // The base fee may fall.
        OperationError::FeeTooLow { .. } => (INVALID_PARAMS, "fee_too_low", true),
        OperationError::FactoryDataMissing { .. } => (INVALID_PARAMS, "factory_data_missing", false),
        // Another operation, or anyone, may deploy it.
        OperationError::AccountNotDeployed { .. } => (REJECTED_BY_ENTRY_POINT, "account_not_deployed", true),
        OperationError::AccountAlreadyDeployed { .. } => (REJECTED_BY_ENTRY_POINT, "account_already_deployed", false),
        OperationError::SenderCannotDelegate { .. } => (REJECTED_BY_ENTRY_POINT, "sender_cannot_delegate", false),
        // A factory may depend on the state of the chain, and may itself be deployed later.
        OperationError::AccountCreationFailed { .. } => (REJECTED_BY_ENTRY_POINT, "account_creation_failed", true),
        OperationError::FactoryNotRun { .. } => (REJECTED_BY_ENTRY_POINT, "factory_not_run", true),
        OperationError::SenderNotFromFactory { .. } => (REJECTED_BY_ENTRY_POINT, "sender_not_from_factory", true),
        // A used nonce stays used; a future one becomes valid later.
        OperationError::AccountNonceInvalid { expected, given } if given < expected => {
            (REJECTED_BY_ENTRY_POINT, "account_nonce_invalid", false)
        }
        OperationError::AccountNonceInvalid { .. } => (REJECTED_BY_ENTRY_POINT, "account_nonce_invalid", true),
    }
}

/// The code of a refusal by the KMS: from the trusted application's status, or `None` if the
/// gateway has its own reason.
fn kms_code(status: Option<Status>) -> i32 {
    let Some(status) = status else {
        return REJECTED_BY_PAYMASTER;
    };
    match status.code() {
        code if code == Status::WindowInvalid.code() || code == Status::WindowTooWide.code() => TIME_RANGE,
        // About the operation, the account or the credential that the caller named.
        50..=69 => INVALID_PARAMS,
        // About the passkey's assertion.
        70..=89 => SIGNATURE,
        _ => REJECTED_BY_PAYMASTER,
    }
}

/// A refusal by the trusted application, as callers see it.
pub(super) fn of_status(status: Status) -> Reason {
    Reason { code: kms_code(Some(status)), reason: status.reason() }
}

/// The reason as a metric's label: only known reasons, so that a remote KMS cannot add new ones.
fn label(error: &RelayError) -> &str {
    match error {
        RelayError::KmsRefused { reason, .. } => reason.status().map_or("kms_refused", Status::reason),
        other => row(other).1,
    }
}

fn to_object(error: &RelayError, request_id: &RequestId) -> ErrorObjectOwned {
    let (code, reason, retryable) = row(error);
    object(code, reason, retryable, &error.to_string(), details(error), request_id)
}

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

/// Further details for the caller: the bound, the actual value, and the rule.
fn details(error: &RelayError) -> Map<String, Value> {
    map(match error {
        RelayError::Request(error) => request_details(error),
        RelayError::Operation(error) => operation_details(error),
        RelayError::PolicyConflict { stored, asked, .. } => {
            known(json!({ "policyId": asked }), "expected", stored.as_ref())
        }
        RelayError::PaymasterReplaced { stored } => json!({ "paymaster": stored.to_string() }),
        RelayError::Policy { policy_id, violation } => {
            let mut details = json!({ "policyId": policy_id, "rule": violation.rule() });
            if let Some((limit, used)) = violation.bounds() {
                details["limit"] = limit.into();
                details = known(details, "used", used);
            }
            details
        }
        RelayError::ChainClock(_) => json!({ "clock": "chain" }),
        RelayError::KmsClockSkewed { .. } => json!({ "clock": "kms" }),
        // The deposit and its remainder are not disclosed to clients.
        RelayError::DepositTooLow { cost, .. } => json!({ "required": cost.0.to_string() }),
        RelayError::AccountNeedsPasskey { account_id } => json!({ "accountId": account_id.as_str() }),
        RelayError::TooManyRefusals { limit, until } => {
            let details = json!({ "rule": "max_refusals", "limit": limit.to_string(), "used": limit.to_string() });
            known(details, "until", until.as_ref())
        }
        RelayError::TooManySignings { limit } => {
            json!({ "rule": "max_signings", "limit": limit.to_string(), "used": limit.to_string() })
        }
        RelayError::KmsRefused { limit: Some(limit), .. } => json!({ "limit": limit.to_string() }),
        RelayError::TooMuchReserved { rule, limit, .. } => limit_details(rule, *limit),
        _ => Value::Null,
    })
}

fn request_details(error: &RequestError) -> Value {
    match error {
        RequestError::InvalidField(invalid) => json!({ "field": invalid.field }),
        RequestError::EntryPointNotSupported { supported, .. } => {
            json!({ "supported": supported.iter().map(Address::to_string).collect::<Vec<_>>() })
        }
        RequestError::UnknownPolicy { policy_id, .. } => json!({ "policyId": policy_id }),
        RequestError::PolicyNotAllowed { policy_id, allowed } => json!({ "policyId": policy_id, "supported": allowed }),
        RequestError::PaymasterNotOurs { ours, .. } => json!({ "paymaster": ours.to_string() }),
        RequestError::ValidityTooShort { least, given } => {
            json!({ "least": least.to_string(), "used": given.to_string() })
        }
        RequestError::WrongChain { supported, .. } | RequestError::ChainMissing { supported } => {
            supported_chains(supported)
        }
        RequestError::ChainMismatch { path, .. } => json!({ "expected": path.to_string() }),
    }
}

/// Ids in the form of `net_version`.
fn supported_chains(chain_ids: &[u64]) -> Value {
    json!({ "supported": chain_ids.iter().map(u64::to_string).collect::<Vec<_>>() })
}

fn operation_details(error: &OperationError) -> Value {
    match error {
        OperationError::PostOpGasNotNeeded { given } => json!({ "limit": "0", "used": given.to_string() }),
        OperationError::PaymasterGasOutOfRange { least, most, given } => {
            json!({ "least": least.to_string(), "limit": most.to_string(), "used": given.to_string() })
        }
        OperationError::VerificationGasMissing => json!({ "field": "verificationGasLimit" }),
        OperationError::FeeTooLow { least, given } => {
            json!({ "field": "maxFeePerGas", "least": least.to_string(), "used": given.to_string() })
        }
        OperationError::FactoryDataMissing { .. } => json!({ "field": "factoryData" }),
        OperationError::SenderNotFromFactory { created, .. } => json!({ "expected": created.to_string() }),
        // All 64 digits, for compatibility with existing clients.
        OperationError::AccountNonceInvalid { expected, .. } => json!({ "expected": Hash(expected.0).to_string() }),
        _ => Value::Null,
    }
}

/// Adds one more detail, if the caller may know it.
fn known(mut details: Value, name: &str, value: Option<impl Serialize>) -> Value {
    if let Some(value) = value {
        details[name] = json!(value);
    }
    details
}

fn map(details: Value) -> Map<String, Value> {
    match details {
        Value::Object(details) => details,
        _ => Map::new(),
    }
}

fn limit_details(rule: &str, limit: Bound) -> Value {
    match limit {
        Bound::Open { limit, used } => {
            known(json!({ "rule": rule, "limit": limit.to_string() }), "used", used.map(|used| used.to_string()))
        }
        Bound::Wei { limit, used } => {
            known(json!({ "rule": rule, "limit": limit.0.to_string() }), "used", used.map(|used| used.0.to_string()))
        }
        // The used part of a share would disclose the deposit.
        Bound::Percent { limit } => json!({ "rule": rule, "limit": limit.to_string() }),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kms_api::Reason as KmsReason;
    use proto::json::InvalidField;
    use proto::{Uint256, Wei};

    use super::*;
    use crate::chain::{ChainError, ClockError};
    use crate::claims::ClaimStoreError;
    use crate::gwei::Gwei;
    use crate::kms::KmsError;
    use crate::ports::EntropyUnavailable;
    use crate::store::StoreError;

    /// Errors that may pass later, by themselves or by others' actions.
    fn passing() -> Vec<RelayError> {
        let (expected, given) = (Uint256::from(1u128), Uint256::from(2u128));
        let (cost, deposit, reserved) = (Wei(2), Wei(1), Gwei::default());
        let (rule, limit) = ("", Bound::Percent { limit: 1 });
        let mut passing = vec![
            OperationError::AccountNonceInvalid { expected, given }.into(),
            OperationError::AccountNotDeployed { sender: Address::default() }.into(),
            OperationError::AccountCreationFailed { factory: Address::default() }.into(),
            OperationError::FactoryNotRun { factory: Address::default() }.into(),
            // A factory may create other accounts as the chain progresses, for example one that
            // deploys with CREATE.
            OperationError::SenderNotFromFactory { sender: Address::default(), created: Address::default() }.into(),
            OperationError::FeeTooLow { least: 2, given: 1 }.into(),
            RelayError::ChainIdle { seconds: 4000 },
            RelayError::PaymasterReplaced { stored: Address::default() },
            RelayError::PaymasterPaused,
            RelayError::PaymasterSignerNotAdmitted { signer: Address::default() },
            RelayError::DepositTooLow { cost, deposit, reserved },
            RelayError::TooManyRefusals { limit: 1, until: None },
            RelayError::TooManySignings { limit: 1 },
            RelayError::IdempotencyConflict { is_mined: false },
            RelayError::OtherIdempotencyKey { is_mined: false },
            RelayError::PolicyConflict { stored: None, is_mined: false, asked: String::new() },
            RelayError::ChainUnavailable(ChainError::node("down")),
            RelayError::BundlerUnavailable { detail: String::new(), in_doubt: false },
            RelayError::BundlerUnavailable { detail: String::new(), in_doubt: true },
            RelayError::StoreUnavailable(StoreError::new("full")),
            RelayError::ClaimsUnavailable(ClaimStoreError::new("down")),
            RelayError::EntropyUnavailable(EntropyUnavailable),
            RelayError::KmsUnavailable { detail: String::new(), in_doubt: true },
            KmsError::from_status(Status::AccountUnknown).into(),
            KmsError::from_status(Status::StorageFailed).into(),
            KmsError::Refused { reason: KmsReason::NonceReplayed.into(), message: String::new() }.into(),
            RelayError::InFlight,
        ];
        passing.extend(Scope::ALL.iter().map(|&scope| RelayError::TooMuchReserved { scope, rule, limit }));
        passing
    }

    /// Errors that the same bytes get again, or until an operator acts.
    fn lasting() -> Vec<RelayError> {
        let (expected, given) = (Uint256::from(2u128), Uint256::from(1u128));
        let factory = Address::default();
        let (name, function) = (String::new, "balanceOf(address)");
        let of_policy = |violation| RelayError::Policy { policy_id: String::new(), violation };
        let mut lasting = vec![
            RequestError::InvalidField(InvalidField { field: name(), problem: name() }).into(),
            RequestError::WrongChain { given: 2, supported: vec![1] }.into(),
            RequestError::ChainMismatch { path: 1, named: 2 }.into(),
            RequestError::ChainMissing { supported: vec![1, 2] }.into(),
            RequestError::EntryPointNotSupported { given: factory, supported: Vec::new() }.into(),
            RequestError::UnknownPolicy { policy_id: name(), chain_id: None }.into(),
            RequestError::PolicyNotAllowed { policy_id: name(), allowed: Vec::new() }.into(),
            RelayError::PolicyConflict { stored: None, is_mined: true, asked: name() },
            RequestError::PaymasterNotOurs { given: factory, ours: factory }.into(),
            OperationError::PostOpGasNotNeeded { given: 1 }.into(),
            OperationError::PaymasterGasOutOfRange { least: 1, most: 2, given: 3 }.into(),
            RequestError::ValidityTooShort { least: 72, given: 1 }.into(),
            RelayError::InvitationNotAllowed,
            RelayError::IdempotencyConflict { is_mined: true },
            RelayError::OtherIdempotencyKey { is_mined: true },
            of_policy(Violation::PasskeyMissing),
            OperationError::AccountNonceInvalid { expected, given }.into(),
            OperationError::AccountAlreadyDeployed { sender: factory }.into(),
            OperationError::SenderCannotDelegate { sender: factory }.into(),
            OperationError::FactoryDataMissing { factory }.into(),
            OperationError::VerificationGasMissing.into(),
            ClockError::ChainAhead { seconds: 700 }.into(),
            ClockError::ChainBehind { seconds: 700 }.into(),
            KmsError::Refused { reason: KmsReason::TimestampSkewed.into(), message: String::new() }.into(),
            RelayError::PasskeyRefused { status: Status::ChallengeMismatch },
            RelayError::AccountNeedsPasskey { account_id: "alice".parse().unwrap() },
            RelayError::WithoutPasskeyNotPermitted,
            RelayError::BundlerNotConfigured { chain_id: None },
            RelayError::KmsReplyInvalid { detail: "" },
            ChainError::Contract { contract: factory, function, detail: String::new() }.into(),
        ];
        let refusals = Status::ALL.iter().filter(|status| !status.is_retryable());
        lasting.extend(refusals.map(|status| KmsError::from_status(*status).into()));
        lasting
    }

    /// The rows of the table as written in its source: every quoted reason, and whether it is
    /// retryable.
    fn rows_of_the_source() -> BTreeSet<(String, bool)> {
        let table = |name| include_str!("error.rs").split_once(name).unwrap().1.split_once("\n}\n").unwrap().0;
        let tables = ["\nfn row(", "\nconst fn request_row(", "\nfn operation_row("].map(table).join(" ");
        let rows = tables.split(", \"").skip(1).filter_map(|rest| rest.split_once("\", "));
        rows.map(|(reason, rest)| (reason.to_owned(), rest.starts_with("true"))).collect()
    }

    #[test]
    fn every_row_of_the_table_is_held_against_the_rule() {
        let samples = passing().into_iter().map(|error| (error, true));
        let samples = samples.chain(lasting().into_iter().map(|error| (error, false)));
        let said: BTreeSet<_> = samples.map(|(error, passes)| (row(&error).1.to_owned(), passes)).collect();
        let missing: Vec<_> = rows_of_the_source().into_iter().filter(|row| !said.contains(row)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn retryable_is_said_of_what_may_pass_later_and_of_nothing_else() {
        for error in passing() {
            assert!(row(&error).2, "{error:?}");
        }
        for error in lasting() {
            let (code, reason, retryable) = row(&error);
            assert!(!retryable, "{error:?}");
            assert_ne!(code, OUTAGE, "viem sends {reason} again by itself");
        }
    }
}
