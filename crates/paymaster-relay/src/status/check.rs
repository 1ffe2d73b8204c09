//! One thing that a sponsorship needs.

use std::fmt;

/// One thing that a sponsorship needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A stable word, snake case.
    pub name: &'static str,
    /// EIP-155 id of the chain that it is about, where the settings list several.
    pub chain_id: Option<u64>,
    /// What is wrong with it, in words for operators; `None` when nothing is.
    pub problem: Option<String>,
}

impl Check {
    /// From an outcome.
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
