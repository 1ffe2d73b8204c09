//! One limit: what a reservation is counted in, and how much may be there with it.

use std::fmt;

use proto::Wei;
use thiserror::Error;

use super::scope::Scope;
use crate::gwei::Gwei;

/// What a reservation is counted in, within one deployment, and how much may be there with it.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Where it is counted.
    pub counter: Counter,
    pub(super) most: Most,
}

/// A counter of open reservations, within one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// What it counts by.
    pub scope: Scope,
    /// Whose reservations; empty where the scope has one counter.
    pub subject: String,
}

/// What a counter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Open reservations.
    pub open: u64,
    /// Their worst-case costs together.
    pub sum: Gwei,
}

#[derive(Clone, Debug)]
pub(super) enum Most {
    /// What a cap allows beside this deposit.
    Cap { cap: Cap, deposit: Gwei },
    /// The deposit itself.
    Deposit(Gwei),
}

/// How many reservations of one subject may be open, and how much of a deposit they may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    pub(super) scope: Scope,
    pub(super) rules: Rules,
    pub(super) max_open: u64,
    pub(super) max_sum: Option<Gwei>,
    pub(super) max_percent: u8,
}

/// The settings that a cap is made of, by their full names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) open: &'static str,
    pub(super) wei: &'static str,
    pub(super) percent: &'static str,
}

/// Which limit a reservation would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Excess {
    /// A cap.
    #[error("too much is reserved for {}: {limit} ({rule})", scope.subject())]
    Cap {
        /// Whose reservations.
        scope: Scope,
        /// The setting.
        rule: &'static str,
        /// What it allows.
        limit: Bound,
    },
    /// The deposit itself.
    #[error("the deposit is reserved")]
    Deposit {
        /// Reserved by others.
        reserved: Gwei,
    },
}

/// What a cap allows, and how much of it was used before, where saying so tells nothing about the
/// deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Open reservations.
    Open {
        /// At most.
        limit: u64,
        /// Already; `None` for callers who may not know it.
        used: Option<u64>,
    },
    /// Worst-case costs together.
    Wei {
        /// At most.
        limit: Wei,
        /// Already; `None` for callers who may not know it.
        used: Option<Wei>,
    },
    /// Percent of the deposit.
    Percent {
        /// At most.
        limit: u8,
    },
}

impl Bound {
    /// Without how much of it was used.
    #[must_use]
    pub fn alone(self) -> Self {
        match self {
            Self::Open { limit, .. } => Self::Open { limit, used: None },
            Self::Wei { limit, .. } => Self::Wei { limit, used: None },
            Self::Percent { .. } => self,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { limit, used: Some(used) } => write!(f, "{used} of {limit} reservations are open"),
            Self::Open { limit, used: None } => write!(f, "at most {limit} reservations may be open"),
            Self::Wei { limit, used: Some(used) } => write!(f, "{used} of {limit} are reserved"),
            Self::Wei { limit, used: None } => write!(f, "at most {limit} may be reserved"),
            Self::Percent { limit } => write!(f, "at most {limit} percent of the deposit"),
        }
    }
}

impl Limit {
    /// Whether a reservation of that cost is within it; what the counter says has it in it.
    ///
    /// # Errors
    /// [`Excess`].
    pub fn check(&self, totals: Totals, cost: Gwei) -> Result<(), Excess> {
        match &self.most {
            Most::Cap { cap, deposit } => cap.check(totals, cost, *deposit),
            Most::Deposit(deposit) if totals.sum <= *deposit => Ok(()),
            Most::Deposit(_) => Err(Excess::Deposit { reserved: totals.sum.less(cost) }),
        }
    }
}

impl Cap {
    /// The totals have the new reservation in them.
    fn check(&self, totals: Totals, cost: Gwei, deposit: Gwei) -> Result<(), Excess> {
        let exceeded = |rule, limit| Err(Excess::Cap { scope: self.scope, rule, limit });
        if totals.open > self.max_open {
            return exceeded(
                self.rules.open,
                Bound::Open { limit: self.max_open, used: Some(totals.open.saturating_sub(1)) },
            );
        }
        if let Some(max) = self.max_sum.filter(|max| totals.sum > *max) {
            let used = Some(totals.sum.less(cost).to_wei());
            return exceeded(self.rules.wei, Bound::Wei { limit: max.to_wei(), used });
        }
        // A share may be smaller than one operation. A single reservation is let through then, or
        // its owner would be shut out permanently; what nobody proved to own has no such claim.
        let alone = totals.open == 1 && self.scope != Scope::Unproven;
        // All of the deposit is no share: whether it suffices is asked last.
        let is_share = self.max_percent < 100 && !alone;
        if is_share && totals.sum > deposit.percent(self.max_percent) {
            return exceeded(self.rules.percent, Bound::Percent { limit: self.max_percent });
        }
        Ok(())
    }
}
