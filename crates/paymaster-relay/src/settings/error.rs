//! Errors of settings.

/// An error in the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A list needs at least one entry.
    #[error("{key}: at least one is needed")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// Two entries share what must be unique.
    #[error("{key}: duplicate {value}")]
    Duplicate {
        /// The key.
        key: &'static str,
        /// The common value.
        value: String,
    },
    /// A value is invalid.
    #[error("{key}: {problem}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// The problem, for people.
        problem: String,
    },
}
