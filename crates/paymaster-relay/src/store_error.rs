//! Errors of the stores.

use sqlite_writer::NotWritten;
use thiserror::Error;

/// The store cannot answer: it is missing, full, or contains something it never wrote.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct StoreError {
    /// For the log.
    pub detail: String,
}

impl StoreError {
    pub(crate) fn new(detail: impl ToString) -> Self {
        Self { detail: detail.to_string() }
    }
}

impl From<NotWritten> for StoreError {
    fn from(not_written: NotWritten) -> Self {
        Self::new(not_written)
    }
}
