//! The check of the audit, for an operator, beside a running gateway or on a copy.

use std::path::Path;

use super::{DATABASE, Gateway};
use crate::store::{AuditError, AuditHead, SqliteStore};

impl Gateway {
    /// Checks the audit in that folder from its first row to its newest, which is returned: compare
    /// it with one that was kept elsewhere, since rows removed from the end leave no trace. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`AuditError::Broken`] names the first row that does not follow; [`AuditError::Store`] if
    /// there is no database, or it cannot be read.
    pub async fn verify_audit(data_dir: &Path) -> Result<AuditHead, AuditError> {
        SqliteStore::verify_audit_of(&data_dir.join(DATABASE)).await
    }
}
