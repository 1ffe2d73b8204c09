//! The rules of a policy. The table at the end lists them all: the file that checks a rule, and for
//! each violation its reason, setting and text.

mod account;
mod balance;
mod cost;
mod factory;
mod membership;
mod passkey;
mod sender;
mod target;

use proto::{Address, Wei};

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
        }

        impl Rules {
            pub(super) fn of(settings: &PolicySettings) -> Self {
                Self { $($rule: $rule::Rule::of(settings),)+ }
            }

            /// Checks them in the order of the table.
            pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
                $(self.$rule.judge(case)?;)+
                Ok(())
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
            _ => None,
        }
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
    }
}
