//! The rows of the relay's refusals.

use proto::Status;
use relay_api::Reason;

use super::{
    DEPOSIT, FAILED, IN_DOUBT, INVALID_PARAMS, KEY_REFUSED, NOT_AVAILABLE, OUTAGE, REJECTED_BY_ENTRY_POINT,
    REJECTED_BY_PAYMASTER, SIGNATURE, TIME_RANGE,
};
use crate::budget::Scope;
use crate::error::{OperationError, RelayError, RequestError};
use crate::policy::Violation;

/// The code, the stable reason, and whether the same request may succeed later, byte for byte,
/// without a change of a setting, a key, a permission or a clock: because of time, other requests,
/// changes on chain, or the end of an outage.
pub(super) fn row(error: &RelayError) -> (i32, &str, bool) {
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
        RelayError::Policy { violation, .. } => (REJECTED_BY_PAYMASTER, violation.reason(), violation.may_pass()),
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
        // A total is spent for good, or the operation alone is above the limit.
        RelayError::PolicyLimitReached { overspent, .. } if !overspent.may_pass => {
            (REJECTED_BY_PAYMASTER, "policy_limit_reached", false)
        }
        RelayError::PolicyLimitReached { .. } => (REJECTED_BY_PAYMASTER, "policy_limit_reached", true),
        RelayError::PaymasterPaused => (REJECTED_BY_PAYMASTER, "paymaster_paused", true),
        RelayError::PaymasterSignerNotAdmitted { .. } => (REJECTED_BY_PAYMASTER, "paymaster_signer_not_admitted", true),
        RelayError::KmsRefused { reason, .. } => {
            let status = reason.status();
            (kms_code(status), reason.as_str(), status.is_some_and(Status::is_retryable))
        }
        RelayError::KmsUnavailable { .. } => (OUTAGE, "kms_unavailable", true),
        RelayError::KmsReplyInvalid { .. } => (FAILED, "kms_reply_invalid", false),
        RelayError::ChainUnavailable(_) => (OUTAGE, "chain_unavailable", true),
        RelayError::PriceUnavailable(_) => (OUTAGE, "price_unavailable", true),
        RelayError::ContractMismatch(_) => (FAILED, "contract_mismatch", false),
        RelayError::BundlerNotConfigured { .. } => (NOT_AVAILABLE, "bundler_not_configured", false),
        // A bundler has an operation once, however often it is sent to it.
        RelayError::BundlerUnavailable { in_doubt: true, .. } => (IN_DOUBT, "bundler_unavailable", true),
        RelayError::BundlerUnavailable { in_doubt: false, .. } => (OUTAGE, "bundler_unavailable", true),
        // What it reads on chain may change.
        RelayError::SimulationFailed { .. } => (REJECTED_BY_PAYMASTER, "simulation_failed", true),
        RelayError::WebhookDenied { .. } => (REJECTED_BY_PAYMASTER, "webhook_denied", false),
        RelayError::WebhookUnavailable { .. } => (OUTAGE, "webhook_unavailable", true),
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
        RequestError::PolicyDisabled { .. } => (REJECTED_BY_PAYMASTER, "policy_disabled", false),
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
pub(in crate::rpc) fn of_status(status: Status) -> Reason {
    Reason { code: kms_code(Some(status)), reason: status.reason() }
}
