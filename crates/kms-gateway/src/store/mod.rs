//! The gateway's own memory, one SQLite file: nonces, the account index, accounts being made, the
//! TEE that is served, the audit chain. All writes go through one writer, which commits together
//! what arrives together.

mod accounts;
mod audit;
mod creations;
mod migrations;
mod nonces;
mod permits;
mod probe;
mod registration_key;
mod served_tee;
mod uptime;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use private_files::{Database, InPlace};
use proto::{AccountId, Address, Hash, TeeId};
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};
use thiserror::Error;
use uuid::Uuid;

pub use accounts::AccountEntry;
pub use audit::{Action, AuditError, AuditHead, AuditRecord, Counters, Decision};
pub use creations::Creation;
pub(crate) use creations::{FoundCreation, Unfinished};
use migrations::migrations;
pub use nonces::{Claim, HOLD_SECONDS, NonceClaim};
pub(crate) use permits::{Permit, PermitRequest};
pub use served_tee::ServedTeeRow;
use writer::Writer;

use crate::ceremony::SealingKey;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 2;
/// The extension of the file that is locked: SQLite's own locks on the database are let go with any
/// handle of it.
const LOCK: &str = "lock";

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
    /// A write that stood in one transaction with this one failed, or the writer is closed.
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

/// The database.
pub struct Store {
    readers: SqlitePool,
    /// One connection.
    writing: SqlitePool,
    writer: Writer,
    /// Until it is closed, no other process has it.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens the file, makes it if there is none, and migrates it.
    ///
    /// # Errors
    /// When the file can't be opened, was made by a newer version, or another process has it open.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path.with_extension(LOCK)).await?;
        private_files::prepare_database(path).map_err(sqlx::Error::Io)?;
        // FULL: what was answered as written is there after a power cut, audit and nonces alike.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writing = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrations().run(&writing).await?;
        registration_key::make(&writing).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
        let file = InPlace::note(path).map_err(sqlx::Error::Io)?;
        Ok(Self { readers, writer: Writer::start(writing.clone(), file), writing, lock: Mutex::new(Some(lock)) })
    }

    /// Looks whether a file can be opened, written and migrated, and changes nothing; how many
    /// migrations are due. `None` when there is no such file, and one can be made.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when it is of a later version, [`StoreError::Database`] when it
    /// can't be written, or is no database of ours.
    pub(crate) async fn look_at(path: &Path) -> Result<Option<usize>, StoreError> {
        let is_closed = match private_files::check_database(path).map_err(sqlx::Error::Io)? {
            Database::Missing => return Ok(None),
            Database::Closed => true,
            Database::InUse => false,
        };
        // SQLite makes a log to read by, unless it is told that the file does not change.
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(is_closed);
        let mut connection = options.connect().await?;
        let applied: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations").fetch_all(&mut connection).await?;
        let ours = migrations();
        for (version, checksum) in &applied {
            let known = ours.iter().find(|migration| migration.version == *version);
            let known = known.ok_or(MigrateError::VersionMissing(*version))?;
            if known.checksum.as_ref() != checksum.as_slice() {
                return Err(MigrateError::VersionMismatch(*version).into());
            }
        }
        Ok(Some(ours.iter().count() - applied.len()))
    }

    /// Claims a relay key's nonce, in one statement.
    pub(crate) async fn claim_nonce(&self, claim: NonceClaim) -> Result<Claim, StoreError> {
        self.writer.claim_nonce(claim).await
    }

    /// Gives a claimed nonce back.
    pub(crate) async fn release_nonce(&self, claim: NonceClaim) -> Result<(), StoreError> {
        self.writer.release_nonce(claim).await
    }

    /// Appends a decision to the audit. It is durable when this returns.
    pub(crate) async fn append_audit(&self, record: AuditRecord) -> Result<(), StoreError> {
        self.writer.append_audit(record).await
    }

    /// Where the audit leaves the TEE's admin counter.
    pub(crate) async fn audited_admin_counter(&self) -> Result<u64, StoreError> {
        audit::admin_counter(&self.readers).await
    }

    /// Adds an account to the index, or leaves it there as it was.
    pub(crate) async fn save_account(&self, account: AccountEntry) -> Result<(), StoreError> {
        self.writer.save_account(account).await
    }

    /// Notes that the TEE is about to be asked for an account.
    pub(crate) async fn save_creation(&self, creation: Creation) -> Result<(), StoreError> {
        self.writer.save_creation(creation).await
    }

    /// Counts an account against its authoriser's ration and its invitation, and gives leave to
    /// make it.
    pub(crate) async fn permit(&self, request: PermitRequest) -> Result<Permit, StoreError> {
        if permits::is_given(&self.readers, &request.credential_id).await? {
            return Ok(Permit::GivenBefore);
        }
        self.writer.permit(request).await
    }

    /// Accounts that were made by an invitation, or may be by now.
    pub(crate) async fn uses_of_invitation(&self, digest: &Hash) -> Result<u32, StoreError> {
        permits::uses_of_invitation(&self.readers, digest).await
    }

    /// Forgets a creation that led to nothing.
    pub(crate) async fn forget_creation(&self, registration_id: Uuid) -> Result<(), StoreError> {
        self.writer.forget_creation(registration_id).await
    }

    /// Puts a creation that could not be settled behind the others.
    pub(crate) async fn creation_was_tried(&self, row: i64, now: u64) -> Result<(), StoreError> {
        self.writer.creation_was_tried(row, now).await
    }

    /// What registrations under way are sealed with.
    pub(crate) async fn registration_key(&self) -> Result<SealingKey, StoreError> {
        registration_key::read(&self.readers).await
    }

    /// Creations of which the index knows no account: a few, those first that were not tried for
    /// the longest time.
    pub(crate) async fn unfinished_creations(&self, which: &Unfinished) -> Result<Vec<FoundCreation>, StoreError> {
        creations::unfinished(&self.readers, which).await
    }

    /// The account made with this credential, as far as the index knows.
    pub(crate) async fn account_of_credential(&self, credential_id: &[u8]) -> Result<Option<AccountId>, StoreError> {
        accounts::of_credential(&self.readers, credential_id).await
    }

    /// Whether the index knows this account.
    pub(crate) async fn has_account(&self, account_id: &AccountId) -> Result<bool, StoreError> {
        accounts::is_there(&self.readers, account_id).await
    }

    /// Accounts in the index.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn count_accounts(&self) -> Result<u64, StoreError> {
        accounts::count(&self.readers).await
    }

    /// The TEE that was served.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn served_tee(&self) -> Result<Option<ServedTeeRow>, StoreError> {
        served_tee::read(&self.readers).await
    }

    /// Records the TEE that is served, if none was, or its id, if that was not known.
    pub(crate) async fn remember_tee(&self, tee_id: TeeId, paymaster_signer: Address) -> Result<(), StoreError> {
        self.writer.remember_tee(tee_id, paymaster_signer).await
    }

    /// Forgets the TEE that was served.
    pub(crate) async fn forget_tee(&self) -> Result<(), StoreError> {
        self.writer.forget_tee().await
    }

    /// Writes some pages.
    ///
    /// # Errors
    /// [`StoreError::NotWritten`]: the disk is full or read-only, the database is locked, or its
    /// file is no longer there.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        self.writer.probe().await
    }

    /// The same as of a second ago at most.
    pub(crate) async fn recent_probe(&self) -> Result<(), StoreError> {
        self.writer.recent_probe().await
    }

    /// The newest row of the audit.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        let mut connection = self.readers.acquire().await?;
        AuditHead::read(&mut connection).await
    }

    /// Reads the whole audit and checks that every row follows from the one before it. Rows cut off
    /// at the end are seen only by comparing the head with one kept elsewhere.
    ///
    /// # Errors
    /// [`AuditError::Broken`] names the first row that doesn't follow.
    pub async fn verify_audit_chain(&self) -> Result<AuditHead, AuditError> {
        audit::verify(&self.readers).await
    }

    /// Finishes the writes under way and closes the file.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        // The last to close takes what is in the log into the file, which readers can't.
        self.writing.close().await;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

async fn lock(path: PathBuf) -> Result<File, StoreError> {
    let locking = tokio::task::spawn_blocking(move || private_files::lock(&path));
    let lock = locking.await.map_err(|error| sqlx::Error::Io(error.into()))?.map_err(sqlx::Error::Io)?;
    lock.ok_or(StoreError::InUse)
}
