//! The embedded database: one SQLite file, write-ahead log, every commit on the disk before it
//! counts. Sponsorships, claims and API keys are tables of it; they share one writer.

mod columns;
mod migrations;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use private_files::InPlace;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, SqlitePool};

pub(crate) use columns::{column, fixed, signed, unsigned};
pub(crate) use writer::{Changes, Writer};

use crate::store_error::StoreError;
use migrations::migrations;

const BUSY: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

const NOTE_CHAIN: &str = "INSERT INTO chain (only, id) VALUES (1, ?1) ON CONFLICT DO NOTHING";
const CHAIN: &str = "SELECT id FROM chain";

/// A SQLite file with the tables of this version.
#[derive(Clone, Debug)]
pub struct Database {
    writer: Arc<Writer>,
    /// One connection: SQLite has one writer at a time, and its own retries are not fair to those
    /// who wait.
    writing: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens the file, makes it when it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        private_files::prepare_database(file).map_err(StoreError::new)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let pool = |connections: u32| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(BUSY);
        let writing = pool(1).connect_with(options.clone()).await.map_err(StoreError::new)?;
        migrations().run(&writing).await.map_err(StoreError::new)?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(StoreError::new)?;
        let file = InPlace::note(file).map_err(StoreError::new)?;
        Ok(Self { writer: Arc::new(Writer::start(writing.clone(), file)), writing, readers })
    }

    /// Notes the chain that this database belongs to, once; rows have no chain id, and settlement
    /// cursors of one chain mean nothing on another.
    ///
    /// # Errors
    /// [`StoreError`] when it belongs to another chain.
    pub async fn belongs_to(&self, chain_id: u64) -> Result<(), StoreError> {
        self.change(sqlx::query(NOTE_CHAIN).bind(chain_id.to_string())).await?;
        let noted = sqlx::query_scalar(CHAIN).fetch_one(&self.readers).await.map_err(StoreError::new)?;
        is_of(noted, chain_id)
    }

    /// Looks whether a file can be opened, written and migrated, and changes nothing; how many
    /// migrations are due. `None` when there is no such file, and one can be made.
    ///
    /// # Errors
    /// [`StoreError`] when it can't be written, is no database of ours, of another chain, or of a
    /// later version.
    pub async fn look_at(file: &Path, chain_id: u64) -> Result<Option<usize>, StoreError> {
        let is_closed = match private_files::check_database(file).map_err(StoreError::new)? {
            private_files::Database::Missing => return Ok(None),
            private_files::Database::Closed => true,
            private_files::Database::InUse => false,
        };
        // SQLite makes a log to read by, unless it is told that the file does not change.
        let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(is_closed);
        let mut connection = options.connect().await.map_err(StoreError::new)?;
        let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations")
            .fetch_all(&mut connection)
            .await
            .map_err(|error| StoreError::new(format!("not a database of super-relay: {error}")))?;
        let ours = migrations();
        for (version, checksum) in &applied {
            match ours.iter().find(|migration| migration.version == *version) {
                Some(migration) if migration.checksum.as_ref() == checksum.as_slice() => {}
                Some(_) => return Err(StoreError::new(format!("migration {version} is not the one of this version"))),
                None => return Err(StoreError::new("it was migrated by a later version of super-relay")),
            }
        }
        let due = ours.iter().count() - applied.len();
        if due == 0 {
            let noted = sqlx::query_scalar(CHAIN).fetch_optional(&mut connection).await.map_err(StoreError::new)?;
            noted.map_or(Ok(()), |noted| is_of(noted, chain_id))?;
        }
        Ok(Some(due))
    }

    /// The connection that writes.
    #[must_use]
    pub fn pool(&self) -> SqlitePool {
        self.writing.clone()
    }

    /// Connections that read.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// The queue of the connection that writes.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Runs one statement in the writer's transaction; how many rows it changed.
    pub(crate) async fn change(&self, statement: Query<'static, Sqlite, SqliteArguments>) -> Result<u64, StoreError> {
        self.writer
            .write(move |connection| {
                async move {
                    let done = statement.execute(connection).await.map_err(StoreError::new)?;
                    Ok(Changes::Kept(done.rows_affected()))
                }
                .boxed()
            })
            .await
    }

    /// Finishes what is running and closes the file.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        self.writing.close().await;
    }
}

fn is_of(noted: String, chain_id: u64) -> Result<(), StoreError> {
    if noted == chain_id.to_string() {
        return Ok(());
    }
    let problem = format!("it belongs to chain {noted}, not {chain_id}: name another file for each chain");
    Err(StoreError::new(problem))
}
