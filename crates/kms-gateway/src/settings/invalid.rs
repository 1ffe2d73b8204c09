//! The error for an invalid setting.

use thiserror::Error;

/// An invalid setting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct InvalidSettings {
    /// Its name in the configuration, under `kms`.
    pub key: &'static str,
    /// The problem, for people.
    pub problem: String,
}

impl InvalidSettings {
    pub(crate) fn new(key: &'static str, problem: impl ToString) -> Self {
        Self { key, problem: problem.to_string() }
    }
}
