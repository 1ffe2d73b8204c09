//! Why settings can't be used.

/// Why settings can't be used.
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
        /// What both have.
        value: String,
    },
    /// A value is outside what makes sense.
    #[error("{key}: {problem}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong, for people.
        problem: String,
    },
}
