//! A charge: what a sponsorship adds to one counter, and the counter's maximum.

use std::fmt;

use proto::Wei;
use thiserror::Error;

use crate::settings::{Per, UsdAmount, Window};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Gwei of one chain.
    Gwei,
    /// Millionths of a US dollar.
    MicroUsd,
    /// Operations.
    Operations,
    /// The sum of gas limits.
    Gas,
}

impl Unit {
    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gwei => "gwei",
            Self::MicroUsd => "micro_usd",
            Self::Operations => "operations",
            Self::Gas => "gas",
        }
    }

    /// The setting of its maximum.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Gwei => "limits.max_wei",
            Self::MicroUsd => "limits.max_usd",
            Self::Operations => "limits.max_operations",
            Self::Gas => "limits.max_gas",
        }
    }

    /// An amount as settings state it.
    pub(crate) fn format(self, amount: u64) -> String {
        match self {
            Self::Gwei => (u128::from(amount) * 1_000_000_000).to_string(),
            Self::MicroUsd => UsdAmount(amount).to_string(),
            Self::Operations | Self::Gas => amount.to_string(),
        }
    }

    /// An amount for people.
    fn describe(self, amount: u64) -> String {
        match self {
            Self::Gwei => Wei(u128::from(amount) * 1_000_000_000).to_string(),
            Self::MicroUsd => format!("{} US dollars", UsdAmount(amount)),
            Self::Operations => format!("{amount} operations"),
            Self::Gas => format!("{amount} gas"),
        }
    }
}

/// What a sponsorship adds to a counter of its policy, and the counter's maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The scope of the counter.
    pub per: Per,
    /// The subject in that scope; empty for the policy.
    pub subject: String,
    /// The window.
    pub window: Window,
    /// Its start and its end, Unix seconds; a total has no end.
    pub span: (u64, Option<u64>),
    /// What is counted.
    pub unit: Unit,
    /// EIP-155 chain id; `None` if all chains are counted together.
    pub chain_id: Option<u64>,
    /// The amount added. One above `max` stands for all that are larger.
    pub amount: u64,
    pub(super) max: u64,
    /// Whether the caller may know how much was used.
    pub(super) is_own: bool,
}

/// The values of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Worst cases of open reservations.
    pub reserved: u64,
    /// What settled sponsorships cost.
    pub settled: u64,
}

impl Charge {
    /// Checks the counter, which already includes the charge.
    ///
    /// # Errors
    /// [`Overspent`].
    pub fn check(&self, used: Used) -> Result<(), Overspent> {
        let total = used.reserved.saturating_add(used.settled);
        if total <= self.max {
            return Ok(());
        }
        let (per, window, unit, limit) = (self.per, self.window, self.unit, self.max);
        let fits_later = self.amount <= limit;
        let fits_once_released = used.settled.saturating_add(self.amount) <= limit;
        Err(Overspent {
            per,
            window,
            unit,
            limit,
            used: self.is_own.then(|| total.saturating_sub(self.amount)),
            resets_at: self.span.1,
            may_pass: fits_later && (self.span.1.is_some() || fits_once_released),
        })
    }
}

/// A limit on spending that a sponsorship would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Overspent {
    /// What is counted together.
    pub per: Per,
    /// The window.
    pub window: Window,
    /// What is counted.
    pub unit: Unit,
    /// The maximum, in the unit.
    pub limit: u64,
    /// The amount before; `None` for callers that may not know it.
    pub used: Option<u64>,
    /// Unix seconds at which the next window begins.
    pub resets_at: Option<u64>,
    /// Whether the same request may pass later: in the next window, or when reservations close.
    pub may_pass: bool,
}

impl Overspent {
    /// The limit by its settings.
    #[must_use]
    pub fn rule(&self) -> String {
        format!("{} {}", self.unit.setting(), self.scope())
    }

    /// The same without the amount used, if it is that of an account or a sender.
    #[must_use]
    pub fn before_proof(self) -> Self {
        match self.per {
            Per::Sender | Per::Account => Self { used: None, ..self },
            Per::Policy | Per::ApiKey => self,
        }
    }

    fn scope(&self) -> String {
        let per = self.per.as_str();
        match self.window {
            Window::Total => format!("per {per} in total"),
            window => format!("per {per} per {window}"),
        }
    }
}

impl fmt::Display for Overspent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} {}", self.unit.describe(self.limit), self.scope())?;
        self.used.map_or(Ok(()), |used| write!(f, ", of which {} are used", self.unit.describe(used)))
    }
}
