//! The gateway's own memory, in ports: nonces, the account index, accounts being made and by whose
//! leave, the TEE that is served, the audit chain. The tests in `tests/gateway/store` hold every
//! implementation to what the ports promise.

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

/// The database can't be read or written: full, gone, locked or damaged. The same request may
/// succeed later.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What SQLite said.
    #[error("the gateway's database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed at start.
    #[error("the gateway's database can't be migrated: {0}")]
    Migration(#[from] MigrateError),
    /// The write failed, or one that its transaction could not do without (the log says why); or
    /// the store is closed.
    #[error("write to the gateway's database failed")]
    NotWritten,
    /// Another process has it open.
    #[error("another process uses the gateway's database: stop it before")]
    InUse,
    /// The last write failed.
    #[error("{problem}")]
    Failing {
        /// Why, for people.
        problem: String,
    },
    /// A write is under way, and none has succeeded for so long.
    #[error("no write to the gateway's database has succeeded for {:.1} s", .time.as_secs_f64())]
    Silent {
        /// For which none has succeeded, though one was queued.
        time: Duration,
    },
}

impl From<sqlite_writer::NotWritten> for StoreError {
    fn from(_: sqlite_writer::NotWritten) -> Self {
        Self::NotWritten
    }
}

/// All that the gateway keeps.
///
/// After an error of a write it is unknown whether it was made, but it was made as a whole or not
/// at all.
#[async_trait]
pub trait Store: Nonces + AccountIndex + Creations + Permits + Audit + ServedTees + Keys {
    /// Whether a write is taken, within a moment.
    ///
    /// # Errors
    /// [`StoreError::Failing`] when it is not, [`StoreError::Silent`] when it takes too long.
    async fn probe(&self) -> Result<(), StoreError>;

    /// The same as of a second ago at most.
    ///
    /// # Errors
    /// As of [`Self::probe`].
    async fn recent_probe(&self) -> Result<(), StoreError>;

    /// Finishes the writes under way. Those that come later are refused.
    async fn close(&self);
}
