//! Policies: pure rules over an operation, its worst-case cost and the account's standing.
//!
//! A new rule is a file in `rules/`, a row of the table in `rules/mod.rs`, and its setting in
//! [`PolicySettings`].

mod abi;
pub mod calls;
mod case;
mod conditions;
mod rules;
mod standing;

use std::collections::HashSet;

use proto::{Hash, Wei};

pub use case::{Case, Market};
pub use rules::{RuleVerdict, Violation};
pub use standing::{ListedStandings, Standing, Standings};

use crate::settings::PolicySettings;
use crate::spend::SpendLimits;
use conditions::Conditions;
use rules::Rules;

/// Rules that are always enforced: they bound what the relay may spend, or the windows themselves.
const ENFORCED: [&str; 4] = ["accounts", "allow_without_passkey", "max_cost_per_operation", "not_before"];

/// A policy: what is sponsored, and for whom.
#[derive(Clone, Debug)]
pub struct Policy {
    id: String,
    max_cost: Wei,
    allows_without_passkey: bool,
    simulates: bool,
    webhook: Option<String>,
    restricts_delegates: bool,
    compares_fees: bool,
    validity_seconds: Option<u64>,
    not_after: Option<u64>,
    /// `None` if it accepts any code.
    proxies: Option<HashSet<Hash>>,
    limits: SpendLimits,
    rules: Rules,
}

impl From<&PolicySettings> for Policy {
    fn from(settings: &PolicySettings) -> Self {
        Self {
            id: settings.id.clone(),
            max_cost: settings.max_cost_per_operation.into(),
            allows_without_passkey: settings.allow_without_passkey,
            simulates: settings.simulate,
            webhook: settings.webhook.clone(),
            restricts_delegates: !settings.factories.is_empty() || !settings.targets.is_empty(),
            compares_fees: settings.max_fee_percent.or(settings.max_priority_fee_percent).is_some(),
            validity_seconds: settings.validity_seconds,
            not_after: settings.not_after.map(|time| time.0),
            proxies: settings.restricts_code().then(|| settings.account_proxies.iter().copied().collect()),
            limits: SpendLimits::from(&settings.limits[..]),
            rules: Rules::of(settings),
        }
    }
}

impl Policy {
    /// The name by which requests choose it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The maximum worst-case cost of an operation, in wei.
    #[must_use]
    pub fn max_cost(&self) -> Wei {
        self.max_cost
    }

    /// Whether it sponsors operations without a passkey.
    #[must_use]
    pub fn allows_without_passkey(&self) -> bool {
        self.allows_without_passkey
    }

    /// Whether a bundler has to simulate operations.
    #[must_use]
    pub fn simulates(&self) -> bool {
        self.simulates
    }

    /// The name of the webhook that has to approve operations.
    #[must_use]
    pub fn webhook(&self) -> Option<&str> {
        self.webhook.as_deref()
    }

    /// Whether it depends on the contract that a sender delegates to (EIP-7702).
    #[must_use]
    pub fn restricts_delegates(&self) -> bool {
        self.restricts_delegates
    }

    /// Whether it depends on the code that a sender runs; if so, the hashes of the ERC-1967 proxies
    /// that it lists.
    #[must_use]
    pub fn restricts_code(&self) -> Option<&HashSet<Hash>> {
        self.proxies.as_ref()
    }

    /// Whether it depends on the chain's current price.
    #[must_use]
    pub fn compares_fees(&self) -> bool {
        self.compares_fees
    }

    /// Seconds a sponsorship is valid for, if not the relay's.
    #[must_use]
    pub fn validity_seconds(&self) -> Option<u64> {
        self.validity_seconds
    }

    /// Unix seconds: the time until which it sponsors.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        self.not_after
    }

    /// The limits on what it spends over time.
    #[must_use]
    pub fn limits(&self) -> &SpendLimits {
        &self.limits
    }

    /// Checks every rule that is not in shadow. Pure and sync: the same case always gets the same
    /// answer.
    ///
    /// # Errors
    /// The first [`Violation`], cheapest rules first.
    pub fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        self.rules.judge(case)
    }

    /// Checks the functions of its targets.
    ///
    /// # Errors
    /// The problem, for operators.
    pub(crate) fn check_functions(settings: &PolicySettings) -> Result<(), String> {
        let mut known = HashSet::new();
        for target in &settings.targets {
            known.extend(target.selectors.iter().map(|selector| (target.address, selector.0)));
        }
        for target in &settings.targets {
            for function in &target.functions {
                let conditions = Conditions::parse(function)?;
                if !known.insert((target.address, conditions.selector())) {
                    return Err(format!("{} of {} is listed twice", function.signature, target.address));
                }
            }
        }
        Ok(())
    }

    /// The rules that can be in shadow, by their settings.
    pub(crate) fn shadowable() -> Vec<&'static str> {
        Rules::names().into_iter().filter(|name| !ENFORCED.contains(name)).collect()
    }

    /// Whether some of its rules are in shadow.
    #[must_use]
    pub fn has_shadow(&self) -> bool {
        self.rules.has_shadow()
    }

    /// The violations of the rules that are in shadow.
    #[must_use]
    pub fn shadowed(&self, case: &Case<'_>) -> Vec<Violation> {
        self.rules.shadowed(case)
    }

    /// What each rule says by itself.
    #[must_use]
    pub fn verdicts(&self, case: &Case<'_>) -> Vec<RuleVerdict> {
        self.rules.verdicts(case)
    }
}

#[cfg(test)]
mod tests;
