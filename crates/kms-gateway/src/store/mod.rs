//! The gateway's storage, as ports: nonces, the account index, accounts being created and the
//! permissions for them, the TEE that is served, the audit chain. The tests in
//! `tests/gateway/store` run the ports' guarantees against every implementation.

mod accounts;
mod audit;
mod creations;
mod keys;
mod nonces;
mod permits;
mod served_tee;
mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use thiserror::Error;

pub use accounts::{AccountEntry, AccountIndex};
pub use audit::{Action, Audit, AuditError, AuditHead, AuditRecord, Counters, Decision};
pub use creations::{Creation, Creations, FoundCreation, UNFINISHED_AT_ONCE, Unfinished};
pub use keys::Keys;
pub use nonces::{Claim, HOLD_SECONDS, NonceClaim, Nonces};
pub use permits::{Permit, PermitRequest, Permits};
pub use served_tee::{ServedTeeRow, ServedTees};
pub use sqlite::SqliteStore;

/// The database cannot be read or written: full, missing, locked or corrupt. The same request may
/// succeed later.
#[derive(Debug, Error)]
pub enum StoreError {
    /// An error of SQLite.
    #[error("the gateway's database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed at start.
    #[error("the gateway's database cannot be migrated: {0}")]
    Migration(#[from] MigrateError),
    /// A check before the start: the file cannot be written, is not ours, or is of a later version.
    #[error("the gateway's database: {0}")]
    Unusable(#[from] sqlite_writer::LookError),
    /// The write, or another one in the same transaction, failed (the log says why); or the store
    /// is closed.
    #[error("write to the gateway's database failed")]
    NotWritten,
    /// A page was read that SQLite did not write (the log and the probes say where).
    #[error("the gateway's database is damaged")]
    Damaged,
    /// Another process has it open.
    #[error("another process uses the gateway's database: stop it first")]
    InUse,
    /// A probe: the last write failed, or the file is damaged.
    #[error("{problem}")]
    Failing {
        /// The error, for the operator: it contains paths.
        problem: String,
    },
    /// A write is in progress, and none has succeeded for this long.
    #[error("no write to the gateway's database has succeeded for {:.1} s", .time.as_secs_f64())]
    Silent {
        /// The time without a successful write, although one was queued.
        time: Duration,
    },
}

impl From<sqlite_writer::NotWritten> for StoreError {
    fn from(_: sqlite_writer::NotWritten) -> Self {
        Self::NotWritten
    }
}

/// All of the gateway's storage.
///
/// After an error of a write it is unknown whether it was made, but it was made completely or not
/// at all.
#[async_trait]
pub trait Store: Nonces + AccountIndex + Creations + Permits + Audit + ServedTees + Keys {
    /// Whether a write succeeds, and no damage was ever found. Answers quickly.
    ///
    /// # Errors
    /// [`StoreError::Failing`] if it does not, [`StoreError::Silent`] if it takes too long.
    async fn probe(&self) -> Result<(), StoreError>;

    /// The same, at most a second old.
    ///
    /// # Errors
    /// Those of [`Self::probe`].
    async fn recent_probe(&self) -> Result<(), StoreError>;

    /// Completes the writes in progress. Later ones are refused.
    async fn close(&self);
}
