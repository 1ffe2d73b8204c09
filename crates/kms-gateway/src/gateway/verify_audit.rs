//! The check of the audit, for an operator, beside a running gateway or on a copy.

use std::path::Path;

use proto::Hash;

use super::{DATABASE, Gateway};
use crate::store::{AuditError, AuditHead, SqliteStore};

impl Gateway {
    /// Checks the audit in that folder from its first row to its newest, which is returned. Rows
    /// removed from the end leave no trace, so it also checks that a head which was noted before,
    /// elsewhere, is the hash of a row: if the newest one is, so are all earlier ones. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`AuditError::Broken`] names the first row that does not follow;
    /// [`AuditError::NotedHeadMissing`]; [`AuditError::Store`] if there is no database, or it can't
    /// be read.
    pub async fn verify_audit(data_dir: &Path, noted: Option<Hash>) -> Result<AuditHead, AuditError> {
        SqliteStore::verify_audit_of(&data_dir.join(DATABASE), noted).await
    }
}
