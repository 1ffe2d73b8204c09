//! The rules of a policy. The table at the end has them all: which file judges, and for each way to
//! break a rule its reason, its setting and its text.

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

            /// In the order of the table.
            pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
                $(self.$rule.judge(case)?;)+
                Ok(())
            }
        }

        /// Which rule does not hold.
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

            /// The stable word for it in answers, logs and metrics.
            #[must_use]
            pub const fn reason(&self) -> &'static str {
                match self {
                    $($(Self::$name { .. } => $reason,)+)+
                }
            }

            /// The setting that made the rule.
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
    /// Without how the account stands, for who has not proven to be it.
    #[must_use]
    pub fn alone(self) -> Self {
        match self {
            Self::BalanceTooLow { required, .. } => Self::BalanceTooLow { required, balance: None },
            Self::MembershipTooLow { required, .. } => Self::MembershipTooLow { required, membership: None },
            other => other,
        }
    }

    /// The bound and, where the caller may know it, what was met.
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

// The cheapest first.
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
            /// The least.
            required: Wei,
            /// The account's; `None` for callers who may not know it.
            balance: Option<Wei>,
        } => "balance_too_low", "min_balance", (
            "the account's balance is {}below min_balance, {required}",
            balance.map(|balance| format!("{balance}, ")).unwrap_or_default()
        );
    }
    membership {
        /// Its membership is too low.
        MembershipTooLow {
            /// The lowest.
            required: Membership,
            /// The account's; `None` for callers who may not know it.
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
        /// The list of senders does not have it.
        SenderNotAllowed {
            /// The operation's.
            sender: Address,
        } => "sender_not_allowed", "senders", ("the sender {sender} is not one of senders");
    }
    cost {
        /// It may cost too much.
        CostAboveLimit {
            /// The most.
            limit: Wei,
            /// The operation's worst case.
            cost: Wei,
        } => "cost_above_policy", "max_cost_per_operation", (
            "the operation may cost {cost} (all its gas limits at maxFeePerGas), above max_cost_per_operation, {limit}"
        );
    }
    factory {
        /// Who makes the account, or what it delegates to, runs at our expense too.
        FactoryNotAllowed {
            /// The operation's factory, or its EIP-7702 delegate.
            factory: Address,
        } => "factory_not_allowed", "factories", ("the account is made by {factory}, which is not one of factories");
    }
    target {
        /// The encoding is not one we can look into.
        CallNotUnderstood => "call_not_understood", "targets", (
            "the callData is not understood, so its calls cannot be held against targets"
        );
        /// The list of targets does not have it.
        TargetNotAllowed {
            /// Which call of the batch, from 0.
            index: usize,
            /// Where it goes.
            target: Address,
        } => "target_not_allowed", "targets", ("call {index} goes to {target}, which is not one of targets");
        /// The target's list of functions does not have it.
        FunctionNotAllowed {
            /// Which call of the batch, from 0.
            index: usize,
            /// Where it goes.
            target: Address,
        } => "function_not_allowed", "targets.selectors", (
            "call {index} to {target} is of a function that is not one of targets.selectors"
        );
    }
}
