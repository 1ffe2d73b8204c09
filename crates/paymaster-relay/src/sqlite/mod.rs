//! The embedded database: one SQLite file with a write-ahead log, where every commit is on disk
//! before it counts. Sponsorships and API keys are tables in it; they share one writer.

mod columns;
mod migrations;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use breaker::Unproven;
use futures_util::{FutureExt, TryFutureExt};
use private_files::InPlace;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqliteConnection, SqlitePool};

pub(crate) use columns::{column, fixed, signed, unsigned};
use sqlite_writer::Look;
pub(crate) use sqlite_writer::{Changes, Writer};

use crate::store_error::StoreError;
use migrations::MIGRATIONS;

const BUSY: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// Bytes: several pages, so that a disk with only a few free bytes fails the test.
const FILLER: i64 = 16 * 1024;

/// Rows of versions that did not record the chain have the id 0, which no chain has.
const HAS_ROWS_OF_NO_CHAIN: &str = "
    SELECT EXISTS (SELECT chain_id FROM sponsorships WHERE chain_id = 0)
        OR EXISTS (SELECT chain_id FROM settlement_cursors WHERE chain_id = 0)";
/// The migration after which a database records its only chain, and the one after which each row
/// does.
const CHAIN_NOTED: i64 = 9;
const CHAIN_OF_EACH_ROW: i64 = 13;
const HAS_ROWS: &str =
    "SELECT EXISTS (SELECT id FROM sponsorships) OR EXISTS (SELECT next_block FROM settlement_cursors)";
const HAS_ROWS_AND_NO_CHAIN: &str = "
    SELECT NOT EXISTS (SELECT id FROM chain)
        AND (EXISTS (SELECT id FROM sponsorships) OR EXISTS (SELECT next_block FROM settlement_cursors))";
const TAKE_OVER: [&str; 6] = [
    "UPDATE sponsorships SET chain_id = ?1 WHERE chain_id = 0",
    "UPDATE settlement_cursors SET chain_id = ?1 WHERE chain_id = 0",
    "UPDATE known_blocks SET chain_id = ?1 WHERE chain_id = 0",
    "UPDATE open_reservations SET chain_id = ?1 WHERE chain_id = 0",
    "UPDATE monthly_totals SET chain_id = ?1 WHERE chain_id = 0",
    "UPDATE hourly_costs SET chain_id = ?1 WHERE chain_id = 0",
];

/// A SQLite file with the tables of this version.
#[derive(Clone, Debug)]
pub struct Database {
    writer: Arc<Writer>,
    readers: SqlitePool,
    options: SqliteConnectOptions,
}

impl Database {
    /// Opens the file, creates it if it is missing, and migrates its tables.
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
        let migrated = pool(1).connect_with(options.clone()).await.map_err(StoreError::new)?;
        MIGRATIONS.migrator().run(&migrated).await.map_err(StoreError::new)?;
        migrated.close().await;
        let file = InPlace::note(file).map_err(StoreError::new)?;
        let writer =
            Writer::start(options.clone(), file, "the relay's database", |connection| write_some(connection).boxed());
        let writer = Arc::new(writer.await.map_err(StoreError::new)?);
        let read_only = options.clone().read_only(true);
        let readers = pool(READERS).connect_with(read_only).await.map_err(StoreError::new)?;
        Ok(Self { writer, readers, options })
    }

    /// Assigns the rows of versions that did not record the chain to the only one that is served.
    ///
    /// # Errors
    /// [`StoreError`] if there are such rows, and several chains are served.
    pub async fn take_over(&self, chain_ids: &[u64]) -> Result<(), StoreError> {
        let has_rows = sqlx::query_scalar(HAS_ROWS_OF_NO_CHAIN);
        if !self.read(|readers| has_rows.fetch_one(readers).map_err(StoreError::new)).await? {
            return Ok(());
        }
        let chain_id = signed(only(chain_ids)?)?;
        self.writer.write(move |connection| take_over(connection, chain_id).boxed()).await
    }

    /// Checks that a file can be opened, written and migrated, without changing anything; returns
    /// the number of pending migrations. `None` if there is no such file, and one can be created.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written, is not a database of ours, or is of a later version;
    /// also if [`Self::take_over`] would fail for these chains.
    pub async fn look_at(file: &Path, chain_ids: &[u64]) -> Result<Option<usize>, StoreError> {
        let look = MIGRATIONS.look_at(file).await.map_err(StoreError::new)?;
        let Some(Look { mut connection, applied, due }) = look else { return Ok(None) };
        if applied.is_empty() {
            return Ok(Some(due));
        }
        let is_applied = |version| applied.contains(&version);
        let has_rows = match (is_applied(CHAIN_NOTED), is_applied(CHAIN_OF_EACH_ROW)) {
            (_, true) => HAS_ROWS_OF_NO_CHAIN,
            (true, false) => HAS_ROWS_AND_NO_CHAIN,
            (false, false) => HAS_ROWS,
        };
        if sqlx::query_scalar(has_rows).fetch_one(&mut connection).await.map_err(StoreError::new)? {
            only(chain_ids)?;
        }
        Ok(Some(due))
    }

    /// Reads the whole file, if there is one, and checks its structure, without changing anything.
    ///
    /// # Errors
    /// [`StoreError`] if it is damaged, or cannot be read.
    pub async fn check_pages(file: &Path) -> Result<(), StoreError> {
        sqlite_writer::check_pages(file).await.map_err(StoreError::new)
    }

    /// Another connection to the file, opened on use: for inspection beside the relay.
    #[must_use]
    pub fn pool(&self) -> SqlitePool {
        SqlitePoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone())
    }

    /// Runs a query of the readers: all pass here, so that damage that they find is remembered.
    pub(crate) async fn read<'s, T, Q>(&'s self, query: impl FnOnce(&'s SqlitePool) -> Q) -> Result<T, StoreError>
    where
        Q: Future<Output = Result<T, StoreError>>,
    {
        let damage = self.writer.damage();
        query(&self.readers).await.inspect_err(|error| _ = damage.found_in(error))
    }

    /// The queue of the writing connection.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Runs one statement in the writer's transaction; returns the number of changed rows.
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

    /// Whether a write succeeds, and no damage was ever found. Answers quickly.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        self.writer.probe().await.map_err(unproven)
    }

    /// The same, without disk access while writes succeed.
    pub(crate) async fn try_out(&self) -> Result<(), StoreError> {
        self.writer.try_out().await.map_err(unproven)
    }

    /// Completes running work and closes the file.
    pub async fn close(&self) {
        let last = self.writer.close().await;
        self.readers.close().await;
        if let Some(last) = last
            && let Err(error) = last.close().await
        {
            tracing::warn!(%error, "the relay's database was not closed cleanly");
        }
    }
}

/// Uses a key that no request has: those are digests.
async fn write_some(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO claims (key, holder, expires_at) VALUES (zeroblob(32), hex(randomblob(?1)), 0)",
    )
    .bind(FILLER / 2)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM claims WHERE key = zeroblob(32)").execute(connection).await.map(drop)
}

fn unproven(unproven: Unproven) -> StoreError {
    match unproven {
        Unproven::Failed(problem) => StoreError::new(problem),
        Unproven::Silent(since) => {
            let seconds = since.as_secs_f64();
            StoreError::new(format!("no write has succeeded for {seconds:.1} s: locked by another process, or slow"))
        }
    }
}

/// The chain of rows that did not record one.
fn only(chain_ids: &[u64]) -> Result<u64, StoreError> {
    match chain_ids {
        [chain_id] => Ok(*chain_id),
        _ => Err(StoreError::new(
            "its sponsorships are of a version that did not record their chain: start the node once with that chain alone",
        )),
    }
}

async fn take_over(connection: &mut SqliteConnection, chain_id: i64) -> Result<Changes<()>, StoreError> {
    for statement in TAKE_OVER {
        sqlx::query(statement).bind(chain_id).execute(&mut *connection).await.map_err(StoreError::new)?;
    }
    Ok(Changes::Kept(()))
}
