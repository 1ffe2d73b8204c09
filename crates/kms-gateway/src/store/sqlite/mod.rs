//! The gateway's memory in one SQLite file. All writes go through one writer, which commits
//! together what arrives together.

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

use async_trait::async_trait;
use private_files::{Database, InPlace};
use proto::{AccountId, Address, Hash, TeeId};
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};
use uuid::Uuid;

use super::{
    AccountEntry, AccountIndex, Audit, AuditError, AuditHead, AuditRecord, Claim, Creation, Creations, FoundCreation,
    Keys, NonceClaim, Nonces, Permit, PermitRequest, Permits, ServedTeeRow, ServedTees, Store, StoreError, Unfinished,
};
use crate::ceremony::SealingKey;
use migrations::migrations;
use writer::Writer;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 2;
/// The extension of the file that is locked: SQLite's own locks on the database are let go with any
/// handle of it.
const LOCK: &str = "lock";

/// The database.
pub struct SqliteStore {
    readers: SqlitePool,
    /// One connection.
    writing: SqlitePool,
    writer: Writer,
    /// Until it is closed, no other process has it.
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
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
}

#[async_trait]
impl Nonces for SqliteStore {
    async fn claim_nonce(&self, claim: NonceClaim) -> Result<Claim, StoreError> {
        self.writer.claim_nonce(claim).await
    }

    async fn release_nonce(&self, claim: NonceClaim) -> Result<(), StoreError> {
        self.writer.release_nonce(claim).await
    }
}

#[async_trait]
impl Audit for SqliteStore {
    async fn append_audit(&self, record: AuditRecord) -> Result<(), StoreError> {
        self.writer.append_audit(record).await
    }

    async fn audited_admin_counter(&self) -> Result<u64, StoreError> {
        audit::admin_counter(&self.readers).await
    }

    async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        let mut connection = self.readers.acquire().await?;
        audit::head(&mut connection).await
    }

    async fn verify_audit_chain(&self) -> Result<AuditHead, AuditError> {
        audit::verify(&self.readers).await
    }
}

#[async_trait]
impl AccountIndex for SqliteStore {
    async fn save_account(&self, account: AccountEntry) -> Result<(), StoreError> {
        self.writer.save_account(account).await
    }

    async fn account_of_credential(&self, credential_id: &[u8]) -> Result<Option<AccountId>, StoreError> {
        accounts::of_credential(&self.readers, credential_id).await
    }

    async fn has_account(&self, account_id: &AccountId) -> Result<bool, StoreError> {
        accounts::is_there(&self.readers, account_id).await
    }

    async fn count_accounts(&self) -> Result<u64, StoreError> {
        accounts::count(&self.readers).await
    }
}

#[async_trait]
impl Creations for SqliteStore {
    async fn save_creation(&self, creation: Creation) -> Result<(), StoreError> {
        self.writer.save_creation(creation).await
    }

    async fn forget_creation(&self, registration_id: Uuid) -> Result<(), StoreError> {
        self.writer.forget_creation(registration_id).await
    }

    async fn creation_was_tried(&self, row: i64, now: u64) -> Result<(), StoreError> {
        self.writer.creation_was_tried(row, now).await
    }

    async fn unfinished_creations(&self, which: &Unfinished) -> Result<Vec<FoundCreation>, StoreError> {
        creations::unfinished(&self.readers, which).await
    }
}

#[async_trait]
impl Permits for SqliteStore {
    async fn permit(&self, request: PermitRequest) -> Result<Permit, StoreError> {
        if permits::is_given(&self.readers, &request.credential_id).await? {
            return Ok(Permit::GivenBefore);
        }
        self.writer.permit(request).await
    }

    async fn uses_of_invitation(&self, digest: &Hash) -> Result<u32, StoreError> {
        permits::uses_of_invitation(&self.readers, digest).await
    }
}

#[async_trait]
impl ServedTees for SqliteStore {
    async fn served_tee(&self) -> Result<Option<ServedTeeRow>, StoreError> {
        served_tee::read(&self.readers).await
    }

    async fn remember_tee(&self, tee_id: TeeId, paymaster_signer: Address) -> Result<(), StoreError> {
        self.writer.remember_tee(tee_id, paymaster_signer).await
    }

    async fn forget_tee(&self) -> Result<(), StoreError> {
        self.writer.forget_tee().await
    }
}

#[async_trait]
impl Keys for SqliteStore {
    async fn registration_key(&self) -> Result<SealingKey, StoreError> {
        registration_key::read(&self.readers).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn probe(&self) -> Result<(), StoreError> {
        self.writer.probe().await
    }

    async fn recent_probe(&self) -> Result<(), StoreError> {
        self.writer.recent_probe().await
    }

    async fn close(&self) {
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
