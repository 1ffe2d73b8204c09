//! What is said of a setting that makes no sense.

use thiserror::Error;

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct InvalidSettings {
    /// As in the configuration, under `kms`.
    pub key: &'static str,
    /// What is wrong, for people.
    pub problem: String,
}

impl InvalidSettings {
    pub(crate) fn new(key: &'static str, problem: impl ToString) -> Self {
        Self { key, problem: problem.to_string() }
    }
}
