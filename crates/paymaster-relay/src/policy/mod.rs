//! Policies: pure rules over an operation, its worst-case cost and the account's standing.
//!
//! A new rule is a file in `rules/`, a row of the table in `rules/mod.rs`, and its setting in
//! [`PolicySettings`].

pub mod calls;
mod case;
mod rules;
mod standing;

use proto::Wei;

pub use case::Case;
pub use rules::Violation;
pub use standing::{ListedStandings, Standing, Standings};

use crate::settings::PolicySettings;
use rules::Rules;

/// A policy: what is sponsored, and for whom.
#[derive(Clone, Debug)]
pub struct Policy {
    id: String,
    max_cost: Wei,
    allows_without_passkey: bool,
    simulates: bool,
    webhook: Option<String>,
    restricts_delegates: bool,
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

    /// Checks every rule. Pure and sync: the same case always gets the same answer.
    ///
    /// # Errors
    /// The first [`Violation`], cheapest rules first.
    pub fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        self.rules.judge(case)
    }
}

#[cfg(test)]
mod tests;
