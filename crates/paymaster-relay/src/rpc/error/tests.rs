//! `retryable` is true of what may pass later, and of nothing else.

use std::collections::BTreeSet;

use kms_api::Reason;
use proto::json::InvalidField;
use proto::{Address, Status, Uint256, Wei};

use super::OUTAGE;
use super::table::row;
use crate::budget::{Bound, Scope};
use crate::bundler::BundlerRefusal;
use crate::chain::{ChainError, ClockError, PriceError};
use crate::claims::ClaimStoreError;
use crate::error::{OperationError, RelayError, RequestError};
use crate::gwei::Gwei;
use crate::kms::KmsError;
use crate::policy::Violation;
use crate::ports::EntropyUnavailable;
use crate::settings::{Per, Window};
use crate::spend::{Overspent, Unit};
use crate::store::StoreError;

fn policy_limit(may_pass: bool) -> RelayError {
    let (per, window, unit, limit) = (Per::Policy, Window::Total, Unit::Operations, 1);
    let overspent = Overspent { per, window, unit, limit, used: None, resets_at: None, may_pass };
    RelayError::PolicyLimitReached { policy_id: String::new(), overspent }
}

/// Errors that may pass later, by themselves or by others' actions.
fn passing() -> Vec<RelayError> {
    let (expected, given) = (Uint256::from(1u128), Uint256::from(2u128));
    let (cost, deposit, reserved) = (Wei(2), Wei(1), Gwei::default());
    let (rule, limit) = ("", Bound::Percent { limit: 1 });
    let refusal = BundlerRefusal { code: -32521, message: "execution reverted".to_owned(), data: None };
    let mut passing = vec![
        OperationError::AccountNonceInvalid { expected, given }.into(),
        OperationError::AccountNotDeployed { sender: Address::default() }.into(),
        OperationError::AccountCreationFailed { factory: Address::default() }.into(),
        OperationError::FactoryNotRun { factory: Address::default() }.into(),
        // A factory may create other accounts as the chain progresses, for example one that
        // deploys with CREATE.
        OperationError::SenderNotFromFactory { sender: Address::default(), created: Address::default() }.into(),
        OperationError::FeeTooLow { least: 2, given: 1 }.into(),
        RelayError::Policy { policy_id: String::new(), violation: Violation::FeeAboveMarket { limit: 1, used: 2 } },
        RelayError::ChainIdle { seconds: 4000 },
        RelayError::PaymasterReplaced { stored: Address::default() },
        RelayError::PaymasterPaused,
        RelayError::PaymasterSignerNotAdmitted { signer: Address::default() },
        RelayError::DepositTooLow { cost, deposit, reserved },
        RelayError::TooManyRefusals { limit: 1, until: None },
        RelayError::TooManySignings { limit: 1 },
        policy_limit(true),
        RelayError::IdempotencyConflict { is_mined: false },
        RelayError::OtherIdempotencyKey { is_mined: false },
        RelayError::PolicyConflict { stored: None, is_mined: false, asked: String::new() },
        RelayError::ChainUnavailable(ChainError::node("down")),
        RelayError::PriceUnavailable(PriceError::Stale { age: 2, max_age: 1 }),
        RelayError::BundlerUnavailable { detail: String::new(), in_doubt: false },
        RelayError::BundlerUnavailable { detail: String::new(), in_doubt: true },
        RelayError::SimulationFailed { policy_id: String::new(), refusal },
        RelayError::WebhookUnavailable { policy_id: String::new(), detail: String::new(), may_be_received: false },
        RelayError::StoreUnavailable(StoreError::new("full")),
        RelayError::ClaimsUnavailable(ClaimStoreError::new("down")),
        RelayError::EntropyUnavailable(EntropyUnavailable),
        RelayError::KmsUnavailable { detail: String::new(), in_doubt: true },
        KmsError::from_status(Status::AccountUnknown).into(),
        KmsError::from_status(Status::StorageFailed).into(),
        KmsError::Refused { reason: Reason::NonceReplayed.into(), message: String::new() }.into(),
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
        RequestError::PolicyDisabled { policy_id: name() }.into(),
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
        KmsError::Refused { reason: Reason::TimestampSkewed.into(), message: String::new() }.into(),
        RelayError::PasskeyRefused { status: Status::ChallengeMismatch },
        RelayError::AccountNeedsPasskey { account_id: "alice".parse().unwrap() },
        RelayError::WithoutPasskeyNotPermitted,
        policy_limit(false),
        RelayError::BundlerNotConfigured { for_gas: false, chain_id: None },
        RelayError::KmsReplyInvalid { detail: "" },
        RelayError::WebhookDenied { policy_id: name(), reason: None },
        ChainError::Contract { contract: factory, function, detail: String::new() }.into(),
    ];
    let refusals = Status::ALL.iter().filter(|status| !status.is_retryable());
    let refusals = refusals.map(|status| KmsError::from_status(*status));
    lasting.extend(refusals.filter(|error| matches!(error, KmsError::Refused { .. })).map(Into::into));
    lasting
}

/// The rows of the table as written in its source: every quoted reason, and whether it is
/// retryable.
fn rows_of_the_source() -> BTreeSet<(String, bool)> {
    let table = |name| include_str!("table.rs").split_once(name).unwrap().1.split_once("\n}\n").unwrap().0;
    let tables = ["\npub(super) fn row(", "\nconst fn request_row(", "\nfn operation_row("].map(table).join(" ");
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
