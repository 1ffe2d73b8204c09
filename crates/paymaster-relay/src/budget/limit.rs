//! A limit: the counter of a reservation, and its maximum.

use std::fmt;

use proto::Wei;
use thiserror::Error;

use super::scope::Scope;
use crate::gwei::Gwei;

/// The counter of a reservation within one deployment, and its maximum.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The counter.
    pub counter: Counter,
    pub(super) most: Most,
}

/// A counter of open reservations, within one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// The scope it counts in.
    pub scope: Scope,
    /// The subject whose reservations it counts; empty if the scope has a single counter.
    pub subject: String,
}

/// The values of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Open reservations.
    pub open: u64,
    /// The sum of their worst-case costs.
    pub sum: Gwei,
}

#[derive(Clone, Debug)]
pub(super) enum Most {
    /// The amount that a cap allows, given this deposit.
    Cap { cap: Cap, deposit: Gwei },
    /// The deposit itself.
    Deposit(Gwei),
}

/// The maximum number of open reservations of one subject, and their maximum share of a deposit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    pub(super) scope: Scope,
    pub(super) rules: Rules,
    pub(super) max_open: u64,
    pub(super) max_sum: Option<Gwei>,
    pub(super) max_percent: u8,
}

/// The settings of a cap, by their full names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) open: &'static str,
    pub(super) wei: &'static str,
    pub(super) percent: &'static str,
}

/// The limit that a reservation would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Excess {
    /// A cap.
    #[error("too much is reserved for {}: {limit} ({rule})", scope.subject())]
    Cap {
        /// The scope of the cap.
        scope: Scope,
        /// The setting.
        rule: &'static str,
        /// The amount it allows.
        limit: Bound,
    },
    /// The deposit itself.
    #[error("the deposit is reserved")]
    Deposit {
        /// The amount reserved by others.
        reserved: Gwei,
    },
}

/// The limit of a cap, and how much of it was used before, if that reveals nothing about the
/// deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Open reservations.
    Open {
        /// The maximum.
        limit: u64,
        /// The number before; `None` for callers that may not know it.
        used: Option<u64>,
    },
    /// The sum of worst-case costs.
    Wei {
        /// The maximum.
        limit: Wei,
        /// The sum before; `None` for callers that may not know it.
        used: Option<Wei>,
    },
    /// Percent of the deposit.
    Percent {
        /// The maximum.
        limit: u8,
    },
}

impl Bound {
    /// The same without the amount used.
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
    /// Checks that a reservation with that cost is within the limit; the totals already include it.
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
    /// The totals include the new reservation.
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
        // A share may be smaller than one operation. A single reservation is then allowed, because
        // its owner could otherwise never use the relay; unproven requests have no such claim.
        let alone = totals.open == 1 && self.scope != Scope::Unproven;
        // The whole deposit is not a share: whether it suffices is checked last.
        let is_share = self.max_percent < 100 && !alone;
        if is_share && totals.sum > deposit.percent(self.max_percent) {
            return exceeded(self.rules.percent, Bound::Percent { limit: self.max_percent });
        }
        Ok(())
    }
}
