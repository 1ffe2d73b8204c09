//! What a refusal says besides its reason: the bound, the actual value, and the rule.

use proto::{Address, Hash};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::budget::Bound;
use crate::bundler::BundlerRefusal;
use crate::error::{OperationError, RelayError, RequestError};
use crate::spend::Overspent;

/// Further details for the caller: the bound, the actual value, and the rule.
pub(super) fn details(error: &RelayError) -> Map<String, Value> {
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
        RelayError::SimulationFailed { policy_id, refusal } => {
            json!({ "policyId": policy_id, "rule": "simulate", "bundler": bundlers_own(refusal) })
        }
        RelayError::WebhookDenied { policy_id, reason } => {
            known(json!({ "policyId": policy_id, "rule": "webhook" }), "webhookReason", reason.as_ref())
        }
        RelayError::WebhookUnavailable { policy_id, .. } => json!({ "policyId": policy_id, "rule": "webhook" }),
        RelayError::KmsRefused { limit: Some(limit), .. } => json!({ "limit": limit.to_string() }),
        RelayError::PolicyLimitReached { policy_id, overspent } => spending_details(policy_id, overspent),
        RelayError::TooMuchReserved { rule, limit, .. } => limit_details(rule, *limit),
        _ => Value::Null,
    })
}

/// A bundler's error as JSON-RPC has it.
fn bundlers_own(BundlerRefusal { code, message, data }: &BundlerRefusal) -> Value {
    let data = data.as_ref().and_then(|data| serde_json::from_str::<Value>(data.get()).ok());
    known(json!({ "code": code, "message": message }), "data", data)
}

fn request_details(error: &RequestError) -> Value {
    match error {
        RequestError::InvalidField(invalid) => json!({ "field": invalid.field }),
        RequestError::EntryPointNotSupported { supported, .. } => {
            json!({ "supported": supported.iter().map(Address::to_string).collect::<Vec<_>>() })
        }
        RequestError::UnknownPolicy { policy_id, .. } | RequestError::PolicyDisabled { policy_id } => {
            json!({ "policyId": policy_id })
        }
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
pub(super) fn supported_chains(chain_ids: &[u64]) -> Value {
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

pub(super) fn map(details: Value) -> Map<String, Value> {
    match details {
        Value::Object(details) => details,
        _ => Map::new(),
    }
}

fn spending_details(policy_id: &str, overspent: &Overspent) -> Value {
    let Overspent { unit, limit, used, resets_at, .. } = overspent;
    let details = json!({ "policyId": policy_id, "rule": overspent.rule(), "limit": unit.format(*limit) });
    known(known(details, "used", used.map(|used| unit.format(used))), "resetAt", *resets_at)
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
