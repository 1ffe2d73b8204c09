//! Why a policy is not changed or shown.

use thiserror::Error;

use super::PolicyState;
use crate::settings::SettingsError;
use crate::store_error::StoreError;

/// A refused change, or a store that cannot answer. Nothing was changed.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// A document is no policy, or does not fit the configuration.
    #[error("policy {id:?}: {problem}")]
    Invalid {
        /// Its id, truncated.
        id: String,
        /// The key and its problem, for people.
        problem: String,
    },
    /// A document has no usable id.
    #[error("id: {0}")]
    InvalidId(String),
    /// The note of a change is too long.
    #[error("note: expected at most {most} characters")]
    NoteTooLong {
        /// Characters.
        most: usize,
    },
    /// The set of all policies would be invalid.
    #[error(transparent)]
    Set(#[from] SettingsError),
    /// No policy has that id.
    #[error("there is no policy {id:?}")]
    Unknown {
        /// The requested id, truncated.
        id: String,
    },
    /// The policy has no such version.
    #[error("policy {id:?} has no version {version}: it has {newest}")]
    UnknownVersion {
        /// Its id.
        id: String,
        /// The requested version.
        version: u64,
        /// Its newest version.
        newest: u64,
    },
    /// The newest version is not the one that the change is based on.
    #[error("policy {id:?} is at version {found}, not {expected}: look at it again")]
    VersionConflict {
        /// Its id, truncated.
        id: String,
        /// The version that the caller expected; 0 for a new policy.
        expected: u64,
        /// The newest version; 0 if there is no such policy.
        found: u64,
    },
    /// A policy in this state cannot get the other.
    #[error("policy {id:?} is {from}, and cannot become {to}")]
    StateConflict {
        /// Its id.
        id: String,
        /// Its state.
        from: PolicyState,
        /// The requested state.
        to: PolicyState,
    },
    /// Others change policies all the time.
    #[error("other changes come first: try again")]
    Overtaken,
    /// The store cannot answer now.
    #[error("the store cannot answer now: {0}")]
    Store(#[from] StoreError),
}
