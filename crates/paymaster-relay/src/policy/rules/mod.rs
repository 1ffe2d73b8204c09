//! The rules of a policy. The table at the end lists them all: the file that checks a rule, and for
//! each violation its reason, setting and text.

mod account;
mod account_code;
mod api_key;
mod balance;
mod blocked;
mod bounds;
mod cost;
mod entry_point;
mod factory;
mod market;
mod membership;
mod origin;
mod passkey;
mod period;
mod pre_verification;
mod sender;
mod target;

use std::collections::HashSet;

use proto::{Address, EntryPointVersion, Hash, Wei};

use self::bounds::{call_gas, fee, gas, pre_verification_gas, priority_fee, verification_gas};
use self::market::{market_fee, market_priority_fee};
use super::case::Case;
use crate::settings::{Membership, PolicySettings};

macro_rules! rules {
    ($($rule:ident {
        $(
            $(#[$doc:meta])*
            $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })?
            => $reason:literal, $setting:literal, ($($text:tt)+);
        )+
    })+) => {
        /// The rules with the settings of one policy.
        #[derive(Clone, Debug)]
        pub(super) struct Rules {
            $($rule: $rule::Rule,)+
            /// The settings of those that are in shadow.
            shadow: HashSet<String>,
        }

        impl Rules {
            pub(super) fn of(settings: &PolicySettings) -> Self {
                Self { $($rule: $rule::Rule::of(settings),)+ shadow: settings.shadow.iter().cloned().collect() }
            }

            /// Every rule by its first setting, in the order of the table.
            pub(super) fn names() -> Vec<&'static str> {
                Vec::from([$(first(&[$($setting),+])),+])
            }

            /// Checks them in the order of the table.
            pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
                $(if !self.is_in_shadow(&[$($setting),+]) {
                    self.$rule.judge(case)?;
                })+
                Ok(())
            }

            /// The violations of those that are in shadow.
            pub(super) fn shadowed(&self, case: &Case<'_>) -> Vec<Violation> {
                let mut violations = Vec::new();
                $(if self.is_in_shadow(&[$($setting),+]) {
                    violations.extend(self.$rule.judge(case).err());
                })+
                violations
            }

            /// What each of them says by itself, in the order of the table.
            pub(super) fn verdicts(&self, case: &Case<'_>) -> Vec<RuleVerdict> {
                Vec::from([$(RuleVerdict {
                    is_in_shadow: self.is_in_shadow(&[$($setting),+]),
                    ..RuleVerdict::of(&[$($setting),+], self.$rule.judge(case))
                }),+])
            }
        }

        /// The violated rule.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Violation {
            $($(
                $(#[$doc])*
                #[error($($text)+)]
                $name $({ $($(#[$field_doc])* $field: $type,)+ })?,
            )+)+
        }

        impl Violation {
            /// Every reason, in the order of the rules.
            pub const REASONS: &[&str] = &[$($($reason,)+)+];

            /// The stable name in answers, logs and metrics.
            #[must_use]
            pub const fn reason(&self) -> &'static str {
                match self {
                    $($(Self::$name { .. } => $reason,)+)+
                }
            }

            /// The setting of the rule.
            #[must_use]
            pub const fn rule(&self) -> &'static str {
                match self {
                    $($(Self::$name { .. } => $setting,)+)+
                }
            }
        }
    };
}

/// What one rule says of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVerdict {
    /// Its first setting; of a violation, the violated one.
    pub rule: &'static str,
    /// Whether the case satisfies it.
    pub outcome: Result<(), Violation>,
    /// Whether the violation is of another rule, which leaves this one nothing to judge.
    pub is_of_another: bool,
    /// Whether it is not enforced.
    pub is_in_shadow: bool,
}

fn first(settings: &[&'static str]) -> &'static str {
    settings.first().copied().unwrap_or_default()
}

impl Rules {
    pub(super) fn has_shadow(&self) -> bool {
        !self.shadow.is_empty()
    }

    fn is_in_shadow(&self, settings: &[&'static str]) -> bool {
        self.has_shadow() && self.shadow.contains(first(settings))
    }
}

impl RuleVerdict {
    fn of(settings: &[&'static str], outcome: Result<(), Violation>) -> Self {
        let violated = outcome.as_ref().err().map(Violation::rule);
        let own = violated.filter(|rule| settings.contains(rule));
        let rule = own.unwrap_or_else(|| first(settings));
        Self { rule, outcome, is_of_another: violated.is_some() && own.is_none(), is_in_shadow: false }
    }
}

impl Violation {
    /// The same without the account's standing, for callers that have not proven to own it.
    #[must_use]
    pub fn alone(self) -> Self {
        match self {
            Self::BalanceTooLow { required, .. } => Self::BalanceTooLow { required, balance: None },
            Self::MembershipTooLow { required, .. } => Self::MembershipTooLow { required, membership: None },
            other => other,
        }
    }

    /// The bound and, if the caller may know it, the actual value.
    #[must_use]
    pub fn bounds(&self) -> Option<(String, Option<String>)> {
        match self {
            Self::BalanceTooLow { required, balance } => {
                Some((required.0.to_string(), balance.map(|balance| balance.0.to_string())))
            }
            Self::MembershipTooLow { required, membership } => {
                Some((required.as_str().to_owned(), membership.map(|membership| membership.as_str().to_owned())))
            }
            Self::CostAboveLimit { limit, cost } => Some((limit.0.to_string(), Some(cost.0.to_string()))),
            Self::CallGasAbovePolicy { limit, used }
            | Self::VerificationGasAbovePolicy { limit, used }
            | Self::PreVerificationGasAbovePolicy { limit, used }
            | Self::GasAbovePolicy { limit, used }
            | Self::FeeAbovePolicy { limit, used }
            | Self::PriorityFeeAbovePolicy { limit, used }
            | Self::PreVerificationGasAboveCost { limit, used }
            | Self::FeeAboveMarket { limit, used }
            | Self::PriorityFeeAboveMarket { limit, used } => Some((limit.to_string(), Some(used.to_string()))),
            Self::PolicyNotStarted { not_before: limit } | Self::PolicyEnded { not_after: limit } => {
                Some((limit.to_string(), None))
            }
            _ => None,
        }
    }

    /// The reasons of violations that may end without a change of settings: the chain's price may
    /// rise, and policies start.
    pub const PASSING: [&str; 3] = ["fee_above_market", "priority_fee_above_market", "policy_not_started"];

    /// Whether the same operation may satisfy the rule later without a change of settings.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        Self::PASSING.contains(&self.reason())
    }
}

// Cheapest first.
rules! {
    account {
        /// Not listed, and there is no default.
        AccountUnlisted => "account_unlisted", "accounts", ("the account is not listed in relay.accounts");
        /// Listed, but not sponsored.
        AccountInactive => "account_inactive", "active", ("the account is not active in relay.accounts");
    }
    balance {
        /// Its credit is too low.
        BalanceTooLow {
            /// The minimum.
            required: Wei,
            /// The account's balance; `None` for callers that may not know it.
            balance: Option<Wei>,
        } => "balance_too_low", "min_balance", (
            "the account's balance is {}below min_balance, {required}",
            balance.map(|balance| format!("{balance}, ")).unwrap_or_default()
        );
    }
    membership {
        /// Its membership is too low.
        MembershipTooLow {
            /// The minimum.
            required: Membership,
            /// The account's membership; `None` for callers that may not know it.
            membership: Option<Membership>,
        } => "membership_too_low", "min_membership", (
            "the account's membership is {}below min_membership, {}",
            membership.map(|membership| format!("{}, ", membership.as_str())).unwrap_or_default(),
            required.as_str()
        );
    }
    passkey {
        /// No passkey approved it.
        PasskeyMissing => "passkey_missing", "allow_without_passkey", (
            "this policy sponsors nothing without a passkey (allow_without_passkey)"
        );
    }
    period {
        /// Its start is still to come.
        PolicyNotStarted {
            /// Unix seconds.
            not_before: u64,
        } => "policy_not_started", "not_before", ("the policy starts at Unix time {not_before} (not_before)");
        /// Its end is past, or so close that no window fits.
        PolicyEnded {
            /// Unix seconds.
            not_after: u64,
        } => "policy_ended", "not_after", ("the policy ends at Unix time {not_after} (not_after), before a window would");
    }
    api_key {
        /// Another key, or none.
        ApiKeyNotAllowed => "policy_api_key_not_allowed", "api_keys", ("the request's API key is not one of api_keys");
    }
    origin {
        /// Another origin, or none.
        OriginNotAllowed {
            /// The header, truncated.
            origin: Option<String>,
        } => "policy_origin_not_allowed", "origins", (
            "{} is not one of origins",
            origin.as_ref().map_or_else(|| "a request without an Origin header".to_owned(), |origin| format!("the origin {origin}"))
        );
    }
    entry_point {
        /// The list of versions does not contain it.
        EntryPointVersionNotAllowed {
            /// The version of the operation's EntryPoint.
            version: EntryPointVersion,
        } => "entry_point_version_not_allowed", "entry_point_versions", (
            "the EntryPoint's version {} is not one of entry_point_versions", version.as_str()
        );
    }
    blocked {
        /// The list of blocked senders contains it.
        SenderBlocked {
            /// The operation's sender.
            sender: Address,
        } => "sender_blocked", "blocked_senders", ("the sender {sender} is one of blocked_senders");
    }
    sender {
        /// The list of senders does not contain it.
        SenderNotAllowed {
            /// The operation's sender.
            sender: Address,
        } => "sender_not_allowed", "senders", ("the sender {sender} is not one of senders");
    }
    cost {
        /// Its worst-case cost is too high.
        CostAboveLimit {
            /// The maximum.
            limit: Wei,
            /// The operation's worst-case cost.
            cost: Wei,
        } => "cost_above_policy", "max_cost_per_operation", (
            "the operation may cost {cost} (all its gas limits at maxFeePerGas), above max_cost_per_operation, {limit}"
        );
    }
    call_gas {
        /// Its gas for the call is too high.
        CallGasAbovePolicy {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "call_gas_above_policy", "max_call_gas", ("callGasLimit is {used}, above max_call_gas, {limit}");
    }
    verification_gas {
        /// Its gas for the account's validation is too high.
        VerificationGasAbovePolicy {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "verification_gas_above_policy", "max_verification_gas", ("verificationGasLimit is {used}, above max_verification_gas, {limit}");
    }
    pre_verification_gas {
        /// Its gas for the bundler is too high.
        PreVerificationGasAbovePolicy {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "pre_verification_gas_above_policy", "max_pre_verification_gas", ("preVerificationGas is {used}, above max_pre_verification_gas, {limit}");
    }
    gas {
        /// Its gas is too high in all.
        GasAbovePolicy {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "gas_above_policy", "max_gas_per_operation", ("the sum of callGasLimit, verificationGasLimit and preVerificationGas is {used}, above max_gas_per_operation, {limit}");
    }
    fee {
        /// Its fee is too high.
        FeeAbovePolicy {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "fee_above_policy", "max_fee_per_gas", ("maxFeePerGas is {used} wei, above max_fee_per_gas, {limit} wei");
    }
    priority_fee {
        /// Its tip is too high.
        PriorityFeeAbovePolicy {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "priority_fee_above_policy", "max_priority_fee_per_gas", ("maxPriorityFeePerGas is {used} wei, above max_priority_fee_per_gas, {limit} wei");
    }
    pre_verification {
        /// Its gas for the bundler is far above what the bundler needs.
        PreVerificationGasAboveCost {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "pre_verification_gas_above_cost", "max_pre_verification_percent", (
            "preVerificationGas is {used}, above max_pre_verification_percent of what a bundler needs, {limit}"
        );
    }
    market_fee {
        /// Its fee is too high for the chain's current price.
        FeeAboveMarket {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "fee_above_market", "max_fee_percent", (
            "maxFeePerGas is {used} wei, above max_fee_percent of the chain's base fee and suggested tip, {limit} wei"
        );
    }
    market_priority_fee {
        /// Its tip is too high for the chain's current price.
        PriorityFeeAboveMarket {
            /// The maximum.
            limit: u128,
            /// The operation's.
            used: u128,
        } => "priority_fee_above_market", "max_priority_fee_percent", (
            "maxPriorityFeePerGas is {used} wei, above max_priority_fee_percent of the chain's suggested tip, {limit} wei"
        );
    }
    factory {
        /// The factory, or the contract delegated to, runs at our expense too.
        FactoryNotAllowed {
            /// The operation's factory, or its sender's EIP-7702 delegate.
            factory: Address,
        } => "factory_not_allowed", "factories", ("the account is created by or delegates to {factory}, which is not one of factories");
    }
    target {
        /// The encoding is unknown.
        CallNotUnderstood => "call_not_understood", "targets", (
            "the callData is not understood, so its calls cannot be checked against targets"
        );
        /// The list of targets does not contain it.
        TargetNotAllowed {
            /// Index of the call, from 0; nested ones count.
            index: usize,
            /// Its target.
            target: Address,
        } => "target_not_allowed", "targets", ("call {index} goes to {target}, which is not one of targets");
        /// The account would run the target's code on its own state.
        DelegatecallNotAllowed {
            /// Index of the call, from 0; nested ones count.
            index: usize,
            /// Its target.
            target: Address,
        } => "delegatecall_not_allowed", "targets.delegatecall", (
            "call {index} is a delegatecall to {target}, which targets.delegatecall does not allow"
        );
        /// The target's list of functions does not contain it.
        FunctionNotAllowed {
            /// Index of the call, from 0; nested ones count.
            index: usize,
            /// Its target.
            target: Address,
        } => "function_not_allowed", "targets.selectors", (
            "call {index} to {target} calls a function that is not one of targets.selectors"
        );
        /// An argument does not satisfy a condition of its function.
        ArgumentNotAllowed {
            /// Index of the call, from 0; nested ones count.
            index: usize,
            /// Its target.
            target: Address,
            /// Index of the argument, from 0.
            argument: usize,
        } => "argument_not_allowed", "targets.functions.conditions", (
            "argument {argument} of call {index} to {target} violates a condition of targets.functions.conditions"
        );
    }
    account_code {
        /// What it runs is neither known nor listed.
        AccountCodeNotAllowed {
            /// The part that the code plays.
            part: &'static str,
            /// Where it is.
            address: Address,
            /// Keccak-256 of it.
            code_hash: Hash,
        } => "account_code_not_allowed", "account_codes", (
            "the {part}, {address}, has code of the hash {code_hash}, which is neither that of a known account nor in account_codes"
        );
        /// What it runs does not execute calls by that function.
        CallNotOfAccount => "call_not_of_account", "account_codes", (
            "the callData is for a function by which the account's code does not execute calls"
        );
        /// The node does not say what the factory would leave.
        AccountCodeUnknown => "account_code_unknown", "account_codes", (
            "the node does not simulate what code the account's creation leaves (eth_simulateV1), so it cannot be checked"
        );
    }
}
