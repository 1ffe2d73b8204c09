//! A requirement of sponsorships.

use std::fmt;

/// A requirement of sponsorships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A stable name in snake case.
    pub name: &'static str,
    /// EIP-155 id of its chain, if the settings list several.
    pub chain_id: Option<u64>,
    /// The problem, as text for operators; `None` if there is none.
    pub problem: Option<String>,
}

impl Check {
    /// Creates it from an outcome.
    #[must_use]
    pub fn of(name: &'static str, outcome: Result<(), String>) -> Self {
        Self { name, chain_id: None, problem: outcome.err() }
    }
}

/// A line for people: `name: ok`, or `chain 8453: name: ` and the problem.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(chain_id) = self.chain_id {
            write!(f, "chain {chain_id}: ")?;
        }
        write!(f, "{}: {}", self.name, self.problem.as_deref().unwrap_or("ok"))
    }
}
