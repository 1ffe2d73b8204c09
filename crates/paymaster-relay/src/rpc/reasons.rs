//! The refusals of each method, for the OpenRPC document: the rows of the table in `error`, grouped
//! by the kind of call.

use proto::Status;
use relay_api::{Method, Reason, Scope};

use super::error::{
    DEPOSIT, FAILED, IN_DOUBT, INVALID_PARAMS, KEY_REFUSED, NOT_AVAILABLE, OUTAGE, REJECTED_BY_ENTRY_POINT,
    REJECTED_BY_PAYMASTER, SIGNATURE, THROTTLED, TIME_RANGE, of_status,
};
use crate::kms::KmsError;
use crate::policy::Violation;

type Rows = &'static [(i32, &'static str)];

/// Before the method is known.
const REQUEST: Rows = &[
    (-32700, "malformed_json"),
    (-32600, "invalid_request"),
    (-32601, "method_not_found"),
    (-32600, "body_too_large"),
    (-32600, "body_not_received"),
    (-32600, "body_malformed"),
    (-32600, "post_required"),
    (-32600, "content_type_not_json"),
    (-32600, "content_encoding_not_supported"),
    (-32600, "path_not_found"),
    (-32600, "invalid_handshake"),
    (-32005, "too_many_connections"),
    (-32005, "too_many_websockets"),
];

/// Any call.
const CALL: Rows = &[
    (INVALID_PARAMS, "invalid_field"),
    (INVALID_PARAMS, "wrong_chain"),
    (INVALID_PARAMS, "chain_mismatch"),
    (INVALID_PARAMS, "chain_missing"),
    (KEY_REFUSED, "unauthorised"),
    (KEY_REFUSED, "api_key_expired"),
    (KEY_REFUSED, "origin_not_allowed"),
    (-32600, "batch_too_large"),
    (-32600, "response_too_large"),
    (OUTAGE, "request_timeout"),
    (FAILED, "internal"),
];

/// A call that needs a scope.
const SCOPED: Rows = &[(KEY_REFUSED, "scope_missing"), (THROTTLED, "rate_limited"), (THROTTLED, "quota_exhausted")];

const ACCOUNT: Rows = &[(OUTAGE, "kms_unavailable"), (FAILED, "kms_reply_invalid")];

const INVITATION: Rows = &[
    (KEY_REFUSED, "invitation_not_allowed"),
    (OUTAGE, "kms_unavailable"),
    (FAILED, "kms_reply_invalid"),
    (OUTAGE, "entropy_unavailable"),
];

/// A method for sponsorships that may ask a bundler.
const ESTIMATES: &str = "pm_sponsorUserOperation";

/// A call for a bundler, besides the bundler's own errors.
const BUNDLER: Rows =
    &[(NOT_AVAILABLE, "bundler_not_configured"), (OUTAGE, "bundler_unavailable"), (IN_DOUBT, "bundler_unavailable")];

/// A call for a sponsorship, or for its preview.
const SPONSORSHIP: Rows = &[
    (INVALID_PARAMS, "entry_point_not_supported"),
    (INVALID_PARAMS, "paymaster_not_ours"),
    (INVALID_PARAMS, "unknown_policy"),
    (KEY_REFUSED, "policy_not_allowed"),
    (INVALID_PARAMS, "validity_too_short"),
    (INVALID_PARAMS, "idempotency_conflict"),
    (INVALID_PARAMS, "policy_conflict"),
    (INVALID_PARAMS, "paymaster_replaced"),
    (INVALID_PARAMS, "factory_data_missing"),
    (INVALID_PARAMS, "fee_too_low"),
    (INVALID_PARAMS, "paymaster_gas_out_of_range"),
    (INVALID_PARAMS, "post_op_gas_not_needed"),
    (INVALID_PARAMS, "verification_gas_missing"),
    (REJECTED_BY_ENTRY_POINT, "account_already_deployed"),
    (REJECTED_BY_ENTRY_POINT, "account_creation_failed"),
    (REJECTED_BY_ENTRY_POINT, "account_nonce_invalid"),
    (REJECTED_BY_ENTRY_POINT, "account_not_deployed"),
    (REJECTED_BY_ENTRY_POINT, "factory_not_run"),
    (REJECTED_BY_ENTRY_POINT, "sender_cannot_delegate"),
    (REJECTED_BY_ENTRY_POINT, "sender_not_from_factory"),
    (REJECTED_BY_PAYMASTER, "account_reservations_exceeded"),
    (REJECTED_BY_PAYMASTER, "api_key_reservations_exceeded"),
    (REJECTED_BY_PAYMASTER, "unproven_reservations_exceeded"),
    (REJECTED_BY_PAYMASTER, "policy_limit_reached"),
    (REJECTED_BY_PAYMASTER, "paymaster_paused"),
    (REJECTED_BY_PAYMASTER, "policy_disabled"),
    (REJECTED_BY_PAYMASTER, "paymaster_signer_not_admitted"),
    (REJECTED_BY_PAYMASTER, "refusal_limit_reached"),
    (REJECTED_BY_PAYMASTER, "signing_limit_reached"),
    (REJECTED_BY_PAYMASTER, "simulation_failed"),
    (REJECTED_BY_PAYMASTER, "webhook_denied"),
    (REJECTED_BY_PAYMASTER, "without_passkey_not_permitted"),
    (SIGNATURE, "account_needs_passkey"),
    (SIGNATURE, "passkey_missing"),
    (TIME_RANGE, "chain_idle"),
    (FAILED, "clock_skewed"),
    (FAILED, "contract_mismatch"),
    (FAILED, "kms_reply_invalid"),
    (DEPOSIT, "paymaster_deposit_too_low"),
    (OUTAGE, "bundler_unavailable"),
    (OUTAGE, "chain_unavailable"),
    (OUTAGE, "claims_unavailable"),
    (OUTAGE, "entropy_unavailable"),
    (OUTAGE, "kms_unavailable"),
    (OUTAGE, "price_unavailable"),
    (OUTAGE, "request_in_flight"),
    (OUTAGE, "store_unavailable"),
    (OUTAGE, "webhook_unavailable"),
];

/// Refusals of a request before any method is called.
pub(super) fn before_any_method() -> Vec<Reason> {
    rows(REQUEST).collect()
}

/// The refusals of a method, without duplicates.
pub(super) fn of(method: Method) -> Vec<Reason> {
    let of_scope: Vec<Reason> = match method.scope() {
        None => Vec::new(),
        Some(Scope::Sponsor) => rows(SPONSORSHIP).chain(policy()).chain(trusted_application()).collect(),
        Some(Scope::Accounts) => rows(ACCOUNT).chain([of_status(Status::AccountUnknown)]).collect(),
        Some(Scope::Invite) => rows(INVITATION).collect(),
        Some(Scope::Bundler) => rows(BUNDLER).collect(),
    };
    let of_estimate = if method.name() == ESTIMATES { BUNDLER } else { &[] };
    let scoped = method.scope().map_or_else(Default::default, |_| SCOPED);
    let mut reasons = Vec::new();
    for reason in rows(CALL).chain(rows(scoped)).chain(of_scope).chain(rows(of_estimate)) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

fn rows(rows: Rows) -> impl Iterator<Item = Reason> {
    rows.iter().map(|(code, reason)| Reason { code: *code, reason })
}

fn policy() -> impl Iterator<Item = Reason> {
    let own = Violation::REASONS.iter().filter(|reason| **reason != Violation::PasskeyMissing.reason());
    own.map(|reason| Reason { code: REJECTED_BY_PAYMASTER, reason })
}

fn trusted_application() -> impl Iterator<Item = Reason> {
    let is_refusal = |status: &Status| matches!(KmsError::from_status(*status), KmsError::Refused { .. });
    Status::ALL.iter().copied().filter(is_refusal).map(of_status)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every row of the table, as written in its source: code and reason.
    fn rows_of_the_table() -> BTreeSet<(&'static str, &'static str)> {
        let source = concat!(include_str!("error/edge.rs"), include_str!("error/table.rs"));
        let rows = source.split('(').filter_map(|row| row.split_once(", \""));
        rows.filter_map(|(code, rest)| Some((code, rest.split_once("\", ")?.0)))
            .filter(|(code, _)| {
                code.parse::<i32>().is_ok() || code.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'_'))
            })
            .collect()
    }

    #[test]
    fn every_row_of_the_table_is_in_the_document_and_no_other() {
        let lists = include_str!("reasons.rs").split_once("#[cfg(test)]").unwrap().0;
        let listed: BTreeSet<_> =
            [REQUEST, CALL, SCOPED, ACCOUNT, INVITATION, BUNDLER, SPONSORSHIP].concat().into_iter().collect();
        let table = rows_of_the_table();
        assert_eq!(table.len(), listed.len(), "{table:?} {listed:?}");
        for (code, reason) in table {
            assert!(lists.contains(&format!("({code}, \"{reason}\")")), "{code} {reason}");
        }
    }

    #[test]
    fn a_policy_reason_is_listed_once_with_its_code() {
        let sponsor = of(Method::named("pm_sponsor_with_tee").unwrap());
        let missing: Vec<_> = sponsor.iter().filter(|row| row.reason == "passkey_missing").collect();
        assert_eq!(missing, [&Reason { code: SIGNATURE, reason: "passkey_missing" }]);
        assert_eq!(of(Method::named("rpc.discover").unwrap()).len(), CALL.len());
    }
}
