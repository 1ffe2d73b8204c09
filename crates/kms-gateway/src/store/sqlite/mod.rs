//! The gateway's storage in one SQLite file. All writes go through a single writer with group
//! commit.

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

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breaker::Unproven;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use private_files::InPlace;
use proto::{AccountId, Address, Hash, TeeId};
use sqlite_writer::{Changes, Writer};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use super::{
    AccountEntry, AccountIndex, Audit, AuditError, AuditHead, AuditRecord, Claim, Creation, Creations, FoundCreation,
    Keys, NonceClaim, Nonces, Permit, PermitRequest, Permits, ServedTeeRow, ServedTees, Store, StoreError, Unfinished,
};
use crate::ceremony::SealingKey;
use audit::Chain;
use migrations::MIGRATIONS;
use nonces::Sweeper;
use uptime::Uptime;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 2;
/// How long the outcome of a write is reused for callers without authority.
const RECENT: Duration = Duration::from_secs(1);
/// The extension of the lock file: SQLite's own locks on the database are released when any handle
/// of it is closed.
const LOCK: &str = "lock";

/// The database.
pub struct SqliteStore {
    readers: SqlitePool,
    writer: Writer,
    remembered: Arc<AsyncMutex<Remembered>>,
    /// Until it is closed, no other process can open it.
    lock: Mutex<Option<File>>,
}

/// State that the writer's jobs keep between them. They run one after the other.
struct Remembered {
    nonces: Sweeper,
    uptime: Uptime,
    audit: Chain,
}

impl SqliteStore {
    /// Opens the file, creates it if there is none, and migrates it.
    ///
    /// # Errors
    /// If the file cannot be opened, was made by a newer version, or is open in another process.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path.with_extension(LOCK)).await?;
        private_files::prepare_database(path).map_err(sqlx::Error::Io)?;
        // FULL: acknowledged writes survive a power cut, both audit rows and nonces.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let migrated = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.migrator().run(&migrated).await?;
        registration_key::make(&migrated).await?;
        migrated.close().await;
        let file = InPlace::note(path).map_err(sqlx::Error::Io)?;
        let writer = Writer::start(options.clone(), file, "the gateway's database", |connection| {
            probe::write(connection).boxed()
        });
        let writer = writer.await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
        let audit = Chain::new(writer.rollbacks().clone());
        let remembered = Remembered { nonces: Sweeper::default(), uptime: Uptime::start(), audit };
        let (remembered, lock) = (Arc::new(AsyncMutex::new(remembered)), Mutex::new(Some(lock)));
        Ok(Self { readers, writer, remembered, lock })
    }

    /// Checks the audit in a database that a gateway may be writing to, without changing anything,
    /// and that a head which was noted before is part of it.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) async fn verify_audit_of(path: &Path, noted: Option<Hash>) -> Result<AuditHead, AuditError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(StoreError::from)?;
        let head = audit::verify(&pool, noted).await;
        pool.close().await;
        head
    }

    /// Checks that a file can be opened, written and migrated, without changing anything; returns
    /// the number of pending migrations. `None` if there is no such file, and one can be created.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]; [`StoreError::Database`] if it cannot be locked.
    pub(crate) async fn look_at(path: &Path) -> Result<Option<usize>, StoreError> {
        private_files::check_file(&path.with_extension(LOCK)).map_err(sqlx::Error::Io)?;
        Ok(MIGRATIONS.look_at(path).await?.map(|look| look.due))
    }

    /// Reads the whole file, if there is one, and checks its structure, without changing anything.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub(crate) async fn check_pages(path: &Path) -> Result<(), StoreError> {
        Ok(sqlite_writer::check_pages(path).await?)
    }

    /// Runs a job of the writer. The writer logs why one failed.
    async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let written = self.writer.write(move |connection| work(connection).map_ok(Changes::Kept).boxed());
        written.await.map_err(|_: StoreError| StoreError::NotWritten)
    }

    /// Runs a query of the readers: all pass here, so that damage that they find is remembered.
    async fn read<'s, T, E, Q>(&'s self, query: impl FnOnce(&'s SqlitePool) -> Q) -> Result<T, E>
    where
        E: From<StoreError> + Error + 'static,
        Q: Future<Output = Result<T, E>>,
    {
        let damage = self.writer.damage();
        query(&self.readers)
            .await
            .map_err(|error| if damage.found_in(&error) { StoreError::Damaged.into() } else { error })
    }
}

#[async_trait]
impl Nonces for SqliteStore {
    async fn claim_nonce(&self, claim: NonceClaim) -> Result<Claim, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        self.write(move |connection| {
            async move {
                remembered.lock().await.nonces.sweep(connection, claim.now, Instant::now()).await?;
                nonces::claim(connection, &claim).await
            }
            .boxed()
        })
        .await
    }

    async fn release_nonce(&self, claim: NonceClaim) -> Result<(), StoreError> {
        self.write(move |connection| async move { nonces::release(connection, &claim).await }.boxed()).await
    }
}

#[async_trait]
impl Audit for SqliteStore {
    async fn append_audit(&self, record: AuditRecord) -> Result<(), StoreError> {
        let remembered = Arc::clone(&self.remembered);
        self.write(move |connection| {
            async move { remembered.lock().await.audit.append(connection, &record).await }.boxed()
        })
        .await
    }

    async fn append_audit_with_nonce(&self, record: AuditRecord, claim: NonceClaim) -> Result<Claim, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        self.write(move |connection| {
            async move {
                let mut remembered = remembered.lock().await;
                remembered.nonces.sweep(connection, claim.now, Instant::now()).await?;
                let claimed = nonces::claim(connection, &claim).await?;
                if claimed == Claim::Fresh {
                    remembered.audit.append(connection, &record).await?;
                }
                Ok(claimed)
            }
            .boxed()
        })
        .await
    }

    async fn audited_admin_counter(&self) -> Result<u64, StoreError> {
        self.read(audit::admin_counter).await
    }

    async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.read(|readers| async { audit::head(&mut *readers.acquire().await?).await }).await
    }

    async fn verify_audit_chain(&self) -> Result<AuditHead, AuditError> {
        self.read(|pool| audit::verify(pool, None)).await
    }
}

#[async_trait]
impl AccountIndex for SqliteStore {
    async fn save_account(&self, account: AccountEntry, row: AuditRecord) -> Result<bool, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        self.write(move |connection| {
            async move {
                let is_new = accounts::save(connection, &account).await?;
                creations::complete(connection, &account.credential_id).await?;
                if is_new {
                    remembered.lock().await.audit.append(connection, &row).await?;
                }
                Ok(is_new)
            }
            .boxed()
        })
        .await
    }

    async fn account_of_credential(&self, credential_id: &[u8]) -> Result<Option<AccountId>, StoreError> {
        self.read(|readers| accounts::of_credential(readers, credential_id)).await
    }

    async fn has_account(&self, account_id: &AccountId) -> Result<bool, StoreError> {
        self.read(|readers| accounts::is_there(readers, account_id)).await
    }

    async fn count_accounts(&self) -> Result<u64, StoreError> {
        self.read(accounts::count).await
    }
}

#[async_trait]
impl Creations for SqliteStore {
    async fn save_creation(&self, creation: Creation) -> Result<(), StoreError> {
        let remembered = Arc::clone(&self.remembered);
        self.write(move |connection| {
            async move {
                let uptime = remembered.lock().await.uptime.count(connection).await?;
                creations::save(connection, &creation, uptime).await
            }
            .boxed()
        })
        .await
    }

    async fn forget_creation(&self, registration_id: Uuid) -> Result<(), StoreError> {
        self.write(move |connection| creations::forget(connection, registration_id).boxed()).await
    }

    async fn creation_was_tried(&self, row: i64, now: u64) -> Result<(), StoreError> {
        self.write(move |connection| creations::tried(connection, row, now).boxed()).await
    }

    async fn unfinished_creations(&self, which: &Unfinished) -> Result<Vec<FoundCreation>, StoreError> {
        self.read(|readers| creations::unfinished(readers, which)).await
    }
}

#[async_trait]
impl Permits for SqliteStore {
    async fn permit(&self, request: PermitRequest) -> Result<Permit, StoreError> {
        if self.read(|readers| permits::is_given(readers, &request.credential_id)).await? {
            return Ok(Permit::GivenBefore);
        }
        let remembered = Arc::clone(&self.remembered);
        self.write(move |connection| {
            async move {
                let uptime = remembered.lock().await.uptime.count(connection).await?;
                permits::give(connection, &request, uptime).await
            }
            .boxed()
        })
        .await
    }

    async fn uses_of_invitation(&self, digest: &Hash) -> Result<u32, StoreError> {
        self.read(|readers| permits::uses_of_invitation(readers, digest)).await
    }
}

#[async_trait]
impl ServedTees for SqliteStore {
    async fn served_tee(&self) -> Result<Option<ServedTeeRow>, StoreError> {
        self.read(served_tee::read).await
    }

    async fn remember_tee(&self, tee_id: TeeId, paymaster_signer: Address) -> Result<(), StoreError> {
        self.write(move |connection| served_tee::remember(connection, tee_id, paymaster_signer).boxed()).await
    }

    async fn forget_tee(&self) -> Result<(), StoreError> {
        self.write(|connection| served_tee::forget(connection).boxed()).await
    }
}

#[async_trait]
impl Keys for SqliteStore {
    async fn registration_key(&self) -> Result<SealingKey, StoreError> {
        self.read(registration_key::read).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn probe(&self) -> Result<(), StoreError> {
        self.writer.probe().await.map_err(unproven)
    }

    async fn recent_probe(&self) -> Result<(), StoreError> {
        self.writer.recent_probe(RECENT).await.map_err(unproven)
    }

    async fn close(&self) {
        let last = self.writer.close().await;
        self.readers.close().await;
        if let Some(last) = last
            && let Err(error) = last.close().await
        {
            tracing::warn!(%error, "the gateway's database was not closed cleanly");
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn unproven(unproven: Unproven) -> StoreError {
    match unproven {
        Unproven::Failed(problem) => StoreError::Failing { problem },
        Unproven::Silent(since) => StoreError::Silent { time: since },
    }
}

async fn lock(path: PathBuf) -> Result<File, StoreError> {
    let locking = tokio::task::spawn_blocking(move || private_files::lock(&path));
    let lock = locking.await.map_err(|error| sqlx::Error::Io(error.into()))?.map_err(sqlx::Error::Io)?;
    lock.ok_or(StoreError::InUse)
}
