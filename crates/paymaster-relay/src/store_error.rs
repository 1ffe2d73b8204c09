//! Errors of the stores.

use std::error::Error;

use sqlite_writer::NotWritten;
use thiserror::Error;

/// The store cannot answer: it is missing, full, damaged, or contains something it never wrote.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StoreError(#[source] Box<dyn Error + Send + Sync>);

impl StoreError {
    pub(crate) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl From<NotWritten> for StoreError {
    fn from(not_written: NotWritten) -> Self {
        Self::new(not_written)
    }
}
