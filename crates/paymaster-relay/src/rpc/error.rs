//! The one table of errors: every refusal with its code, stable reason, and whether the same request may pass later.
//!
//! Codes are those of JSON-RPC and ERC-7769. Refusals never use -32603 or -32005, which clients (viem) send again by
//! themselves; outages use -32603 for that very reason, since a request that is sent again is charged once.

use jsonrpsee::types::ErrorObjectOwned;
use proto::{Address, Status};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use serve::Full;

use super::RequestId;
use crate::budget::{Limit, Scope};
use crate::error::RelayError;
use crate::policy::Violation;

const INVALID_PARAMS: i32 = -32602;
const OUTAGE: i32 = -32603;
const FAILED: i32 = -32000;
const REJECTED_BY_ENTRY_POINT: i32 = -32500;
const REJECTED_BY_PAYMASTER: i32 = -32501;
const TIME_RANGE: i32 = -32503;
const SIGNATURE: i32 = -32507;
const DEPOSIT: i32 = -32508;

/// What went wrong before any method was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EdgeError {
    MalformedJson,
    InvalidRequest,
    MethodNotFound,
    BodyTooLarge,
    BodyNotReceived,
    BatchTooLarge,
    PostRequired,
    ContentTypeNotJson,
    TooManyConnections,
    Unauthorised,
    Failed,
}

impl EdgeError {
    const fn row(self) -> (i32, &'static str, bool, &'static str) {
        match self {
            Self::MalformedJson => (-32700, "malformed_json", false, "the body is no JSON that could be a request"),
            Self::InvalidRequest => (-32600, "invalid_request", false, "not a JSON-RPC 2.0 request"),
            Self::MethodNotFound => (-32601, "method_not_found", false, "there is no such method"),
            Self::BodyTooLarge => (-32600, "body_too_large", false, "the body is over the limit"),
            Self::BodyNotReceived => (-32600, "body_not_received", true, "the body was not received in time"),
            Self::BatchTooLarge => (-32600, "batch_too_large", false, "the batch has too many calls"),
            Self::PostRequired => (-32600, "post_required", false, "requests are sent with POST"),
            Self::ContentTypeNotJson => {
                (-32600, "content_type_not_json", false, "Content-Type must be application/json")
            }
            Self::TooManyConnections => (-32005, "too_many_connections", true, "too many connections"),
            Self::Unauthorised => (-32001, "unauthorised", false, "an API key is needed: Authorization: Bearer <key>"),
            Self::Failed => (FAILED, "internal", false, "the request failed"),
        }
    }

    pub(super) fn to_object(self, request_id: &RequestId) -> ErrorObjectOwned {
        let (code, reason, retryable, message) = self.row();
        object(code, reason, retryable, message, Map::new(), request_id)
    }
}

/// The body of the answer to a connection that was refused.
pub(crate) fn too_many_connections(full: Full) -> String {
    let mut error = EdgeError::TooManyConnections.to_object(&RequestId::new());
    let data = error.data().map(RawValue::get).and_then(|data| serde_json::from_str::<Value>(data).ok());
    error = ErrorObjectOwned::owned(error.code(), full.to_string(), data);
    json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string()
}

/// The code, the stable reason, and whether the same request may pass later.
fn row(error: &RelayError) -> (i32, &str, bool) {
    match error {
        RelayError::InvalidField(_) => (INVALID_PARAMS, "invalid_field", false),
        RelayError::WrongChain { .. } => (INVALID_PARAMS, "wrong_chain", false),
        RelayError::EntryPointNotSupported { .. } => (INVALID_PARAMS, "entry_point_not_supported", false),
        RelayError::UnknownPolicy { .. } => (INVALID_PARAMS, "unknown_policy", false),
        RelayError::PaymasterNotOurs { .. } => (INVALID_PARAMS, "paymaster_not_ours", false),
        RelayError::PostOpGasNotNeeded { .. } => (INVALID_PARAMS, "post_op_gas_not_needed", false),
        RelayError::PaymasterGasOutOfRange { .. } => (INVALID_PARAMS, "paymaster_gas_out_of_range", false),
        RelayError::ValidityTooShort { .. } => (INVALID_PARAMS, "validity_too_short", false),
        RelayError::IdempotencyConflict => (INVALID_PARAMS, "idempotency_conflict", false),
        RelayError::Policy { violation: Violation::PasskeyMissing, .. } => (SIGNATURE, "passkey_missing", false),
        RelayError::Policy { violation, .. } => (REJECTED_BY_PAYMASTER, violation.reason(), false),
        RelayError::VerificationGasMissing => (INVALID_PARAMS, "verification_gas_missing", false),
        RelayError::FactoryDataMissing { .. } => (INVALID_PARAMS, "factory_data_missing", false),
        // Another operation, or anybody, may deploy it.
        RelayError::AccountNotDeployed { .. } => (REJECTED_BY_ENTRY_POINT, "account_not_deployed", true),
        RelayError::AccountAlreadyDeployed { .. } => (REJECTED_BY_ENTRY_POINT, "account_already_deployed", false),
        // A factory may depend on the state of the chain, and may be deployed later itself.
        RelayError::AccountCreationFailed { .. } => (REJECTED_BY_ENTRY_POINT, "account_creation_failed", true),
        RelayError::SenderNotFromFactory { .. } => (REJECTED_BY_ENTRY_POINT, "sender_not_from_factory", false),
        // A nonce that is used stays used; one that is ahead has its turn later.
        RelayError::AccountNonceInvalid { expected, given } if given < expected => {
            (REJECTED_BY_ENTRY_POINT, "account_nonce_invalid", false)
        }
        RelayError::AccountNonceInvalid { .. } => (REJECTED_BY_ENTRY_POINT, "account_nonce_invalid", true),
        RelayError::ChainIdle { .. } => (TIME_RANGE, "chain_idle", true),
        RelayError::ChainClockAhead { .. } => (FAILED, "clock_skewed", false),
        RelayError::ChainClockBehind { .. } => (FAILED, "clock_skewed", false),
        RelayError::KmsClockSkewed { .. } => (FAILED, "clock_skewed", false),
        RelayError::DepositTooLow { .. } => (DEPOSIT, "paymaster_deposit_too_low", true),
        RelayError::TooMuchReserved { scope: Scope::Account, .. } => {
            (REJECTED_BY_PAYMASTER, "account_reservations_exceeded", true)
        }
        RelayError::TooMuchReserved { scope: Scope::ApiKey, .. } => {
            (REJECTED_BY_PAYMASTER, "api_key_reservations_exceeded", true)
        }
        RelayError::TooMuchReserved { scope: Scope::Unproven | Scope::Deployment, .. } => {
            (REJECTED_BY_PAYMASTER, "unproven_reservations_exceeded", true)
        }
        RelayError::PaymasterPaused => (REJECTED_BY_PAYMASTER, "paymaster_paused", true),
        RelayError::KmsRefused { reason, .. } => (kms_code(reason), reason, false),
        RelayError::KmsUnavailable { .. } => (OUTAGE, "kms_unavailable", true),
        RelayError::KmsReplyInvalid { .. } => (FAILED, "kms_reply_invalid", false),
        RelayError::ChainUnavailable(_) => (OUTAGE, "chain_unavailable", true),
        RelayError::StoreUnavailable(_) => (OUTAGE, "store_unavailable", true),
        RelayError::ClaimsUnavailable(_) => (OUTAGE, "claims_unavailable", true),
        RelayError::EntropyUnavailable(_) => (OUTAGE, "entropy_unavailable", true),
        RelayError::InFlight => (OUTAGE, "request_in_flight", true),
    }
}

/// The code of a refusal by the KMS, in the trusted application's words or the gateway's own.
fn kms_code(reason: &str) -> i32 {
    let Some(status) = Status::from_reason(reason) else {
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

/// The reason as a metric's label: only words of ours, so that a remote KMS can't make up new ones.
pub(super) fn label(error: &RelayError) -> &str {
    match error {
        RelayError::KmsRefused { reason, .. } => Status::from_reason(reason).map_or("kms_refused", Status::reason),
        other => row(other).1,
    }
}

pub(super) fn to_object(error: &RelayError, request_id: &RequestId) -> ErrorObjectOwned {
    let (code, reason, retryable) = row(error);
    object(code, reason, retryable, &error.to_string(), details(error), request_id)
}

/// What else the caller can use: the bound, what was met, and by which rule.
fn details(error: &RelayError) -> Map<String, Value> {
    let details = match error {
        RelayError::InvalidField(invalid) => json!({ "field": invalid.field }),
        RelayError::EntryPointNotSupported { supported } => {
            json!({ "supported": supported.iter().map(Address::to_string).collect::<Vec<_>>() })
        }
        RelayError::UnknownPolicy { policy_id } => json!({ "policyId": policy_id }),
        RelayError::PaymasterNotOurs { ours } => json!({ "paymaster": ours.to_string() }),
        RelayError::PostOpGasNotNeeded { given } => json!({ "limit": "0", "used": given.to_string() }),
        RelayError::PaymasterGasOutOfRange { least, most, given } => {
            json!({ "least": least.to_string(), "limit": most.to_string(), "used": given.to_string() })
        }
        RelayError::ValidityTooShort { least, given } => {
            json!({ "least": least.to_string(), "used": given.to_string() })
        }
        RelayError::Policy { policy_id, violation } => {
            let mut details = json!({ "policyId": policy_id, "rule": violation.rule() });
            if let Some((limit, used)) = violation.bounds() {
                details["limit"] = limit.into();
                details["used"] = used.into();
            }
            details
        }
        RelayError::ChainIdle { seconds } => json!({ "used": seconds.to_string() }),
        RelayError::ChainClockAhead { .. } | RelayError::ChainClockBehind { .. } => json!({ "clock": "chain" }),
        RelayError::KmsClockSkewed { .. } => json!({ "clock": "kms" }),
        RelayError::VerificationGasMissing => json!({ "field": "verificationGasLimit" }),
        RelayError::FactoryDataMissing { .. } => json!({ "field": "factoryData" }),
        RelayError::SenderNotFromFactory { created, .. } => json!({ "expected": created.to_string() }),
        RelayError::AccountNonceInvalid { expected, .. } => json!({ "expected": expected.to_string() }),
        // What the deposit is, and what is left of it, is not for clients.
        RelayError::DepositTooLow { cost, .. } => json!({ "required": cost.0.to_string() }),
        RelayError::TooMuchReserved { rule, limit, .. } => limit_details(rule, *limit),
        _ => Value::Null,
    };
    match details {
        Value::Object(details) => details,
        _ => Map::new(),
    }
}

fn limit_details(rule: &str, limit: Limit) -> Value {
    match limit {
        Limit::Open { limit, used } => json!({ "rule": rule, "limit": limit.to_string(), "used": used.to_string() }),
        Limit::Wei { limit, used } => json!({ "rule": rule, "limit": limit.0.to_string(), "used": used.0.to_string() }),
        // How much of a share is used would tell the deposit.
        Limit::Percent { limit } => json!({ "rule": rule, "limit": limit.to_string() }),
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
