//! The rules of a policy. Pure and sync: the same case always gets the same answer.

use std::collections::{HashMap, HashSet};

use proto::{AccountId, Address, Init, UserOperation, Wei};

use super::calls::{InnerCall, inner_calls};
use super::standing::Standing;
use crate::settings::{Membership, PolicySettings};

/// What is sponsored, and for whom.
#[derive(Clone, Debug)]
pub struct Policy {
    id: String,
    senders: HashSet<Address>,
    targets: HashMap<Address, HashSet<[u8; 4]>>,
    factories: HashSet<Address>,
    max_cost: Wei,
    allow_without_passkey: bool,
    min_balance: Wei,
    min_membership: Membership,
}

/// What a policy looks at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Whose operation.
    pub account_id: &'a AccountId,
    /// How that account stands; `None` when nobody listed it.
    pub standing: Option<Standing>,
    /// The operation.
    pub op: &'a UserOperation,
    /// The most it can cost ([`proto::worst_case_cost`]).
    pub cost: Wei,
    /// Whether a passkey of the account approved it, or is about to.
    pub proven: bool,
}

/// Which rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// `accounts`: not listed, and there is no default.
    #[error("the account is not listed")]
    AccountUnlisted,
    /// `active`.
    #[error("the account is not active")]
    AccountInactive,
    /// `min_balance`.
    #[error("the account's balance is {}below {required}", balance.map(|balance| format!("{balance}, ")).unwrap_or_default())]
    BalanceTooLow {
        /// The least.
        required: Wei,
        /// The account's; `None` for who may not know.
        balance: Option<Wei>,
    },
    /// `min_membership`.
    #[error(
        "the account's membership is {}below {}",
        membership.map(|membership| format!("{}, ", membership.as_str())).unwrap_or_default(),
        required.as_str()
    )]
    MembershipTooLow {
        /// The lowest.
        required: Membership,
        /// The account's; `None` for who may not know.
        membership: Option<Membership>,
    },
    /// `allow_without_passkey`.
    #[error("this policy sponsors nothing without a passkey")]
    PasskeyMissing,
    /// `senders`.
    #[error("the sender {sender} is not on the list")]
    SenderNotAllowed {
        /// The operation's.
        sender: Address,
    },
    /// `factories`: who makes the account, or what it delegates to, runs at our expense too.
    #[error("the account is made by {factory}, which is not on the list")]
    FactoryNotAllowed {
        /// The operation's factory, or its EIP-7702 delegate.
        factory: Address,
    },
    /// `targets`: the encoding is not one we can look into.
    #[error("the callData is not understood, so its targets cannot be checked")]
    CallNotUnderstood,
    /// `targets`.
    #[error("call {index} goes to {target}, which is not on the list")]
    TargetNotAllowed {
        /// Which call of the batch, from 0.
        index: usize,
        /// Where it goes.
        target: Address,
    },
    /// `targets.selectors`.
    #[error("call {index} to {target} is of a function that is not on the list")]
    FunctionNotAllowed {
        /// Which call of the batch, from 0.
        index: usize,
        /// Where it goes.
        target: Address,
    },
    /// `max_cost_per_operation`.
    #[error("the operation may cost {cost}, over {limit}")]
    CostAboveLimit {
        /// The most.
        limit: Wei,
        /// The operation's worst case.
        cost: Wei,
    },
}

impl From<&PolicySettings> for Policy {
    fn from(settings: &PolicySettings) -> Self {
        let address = |address: &alloy_primitives::Address| Address(address.into_array());
        let mut targets: HashMap<Address, HashSet<[u8; 4]>> = HashMap::new();
        for target in &settings.targets {
            targets
                .entry(address(&target.address))
                .or_default()
                .extend(target.selectors.iter().map(|selector| selector.0));
        }
        Self {
            id: settings.id.clone(),
            senders: settings.senders.iter().map(address).collect(),
            targets,
            factories: settings.factories.iter().map(address).collect(),
            max_cost: settings.max_cost_per_operation.into(),
            allow_without_passkey: settings.allow_without_passkey,
            min_balance: settings.min_balance.into(),
            min_membership: settings.min_membership,
        }
    }
}

impl Policy {
    /// The name requests choose it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The most an operation may cost at worst.
    #[must_use]
    pub fn max_cost(&self) -> Wei {
        self.max_cost
    }

    /// Whether it sponsors what no passkey approved.
    #[must_use]
    pub fn allows_without_passkey(&self) -> bool {
        self.allow_without_passkey
    }

    /// Whether every rule holds.
    ///
    /// # Errors
    /// The first [`Violation`], the cheapest rules first.
    pub fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        self.judge_account(case)?;
        self.judge_sender(case.op.sender)?;
        self.judge_cost(case.cost)?;
        self.judge_init(&case.op.init)?;
        self.judge_calls(&case.op.call_data)
    }

    fn judge_account(&self, case: &Case<'_>) -> Result<(), Violation> {
        let standing = case.standing.ok_or(Violation::AccountUnlisted)?;
        if !standing.active {
            return Err(Violation::AccountInactive);
        }
        if standing.balance < self.min_balance {
            return Err(Violation::BalanceTooLow { required: self.min_balance, balance: Some(standing.balance) });
        }
        if standing.membership < self.min_membership {
            return Err(Violation::MembershipTooLow {
                required: self.min_membership,
                membership: Some(standing.membership),
            });
        }
        if !case.proven && !self.allow_without_passkey {
            return Err(Violation::PasskeyMissing);
        }
        Ok(())
    }

    fn judge_sender(&self, sender: Address) -> Result<(), Violation> {
        if self.senders.is_empty() || self.senders.contains(&sender) {
            Ok(())
        } else {
            Err(Violation::SenderNotAllowed { sender })
        }
    }

    fn judge_cost(&self, cost: Wei) -> Result<(), Violation> {
        if cost <= self.max_cost { Ok(()) } else { Err(Violation::CostAboveLimit { limit: self.max_cost, cost }) }
    }

    /// A factory may call anything, so a list of targets without one of factories allows none.
    fn judge_init(&self, init: &Init) -> Result<(), Violation> {
        let (Init::Factory { factory, .. } | Init::Eip7702 { delegate: factory, .. }) = init else {
            return Ok(());
        };
        let unlisted = self.factories.is_empty() && self.targets.is_empty();
        if unlisted || self.factories.contains(factory) {
            Ok(())
        } else {
            Err(Violation::FactoryNotAllowed { factory: *factory })
        }
    }

    fn judge_calls(&self, call_data: &[u8]) -> Result<(), Violation> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let calls = inner_calls(call_data).map_err(|_| Violation::CallNotUnderstood)?;
        calls.iter().enumerate().try_for_each(|(index, call)| self.judge_call(index, call))
    }

    fn judge_call(&self, index: usize, call: &InnerCall) -> Result<(), Violation> {
        let target = call.target;
        let selectors = self.targets.get(&target).ok_or(Violation::TargetNotAllowed { index, target })?;
        let listed = call.selector.is_some_and(|selector| selectors.contains(&selector));
        if selectors.is_empty() || listed { Ok(()) } else { Err(Violation::FunctionNotAllowed { index, target }) }
    }
}

impl Violation {
    /// The stable word for it in answers, logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AccountUnlisted => "account_unlisted",
            Self::AccountInactive => "account_inactive",
            Self::BalanceTooLow { .. } => "balance_too_low",
            Self::MembershipTooLow { .. } => "membership_too_low",
            Self::PasskeyMissing => "passkey_missing",
            Self::SenderNotAllowed { .. } => "sender_not_allowed",
            Self::FactoryNotAllowed { .. } => "factory_not_allowed",
            Self::CallNotUnderstood => "call_not_understood",
            Self::TargetNotAllowed { .. } => "target_not_allowed",
            Self::FunctionNotAllowed { .. } => "function_not_allowed",
            Self::CostAboveLimit { .. } => "cost_above_policy",
        }
    }

    /// The setting that made the rule.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::AccountUnlisted => "accounts",
            Self::AccountInactive => "active",
            Self::BalanceTooLow { .. } => "min_balance",
            Self::MembershipTooLow { .. } => "min_membership",
            Self::PasskeyMissing => "allow_without_passkey",
            Self::SenderNotAllowed { .. } => "senders",
            Self::FactoryNotAllowed { .. } => "factories",
            Self::CallNotUnderstood | Self::TargetNotAllowed { .. } => "targets",
            Self::FunctionNotAllowed { .. } => "targets.selectors",
            Self::CostAboveLimit { .. } => "max_cost_per_operation",
        }
    }

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
