//! Checks, before a start, whether a database could be opened, written and migrated.

use std::io;
use std::path::Path;

use private_files::Database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use thiserror::Error;

use crate::Migrations;

const HAS_TABLES: &str =
    "SELECT EXISTS (SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations')";

/// An existing database.
#[derive(Debug)]
pub struct Look {
    /// For more checks; it only reads.
    pub connection: SqliteConnection,
    /// The numbers of the migrations that were made.
    pub applied: Vec<i64>,
    /// How many migrations the next start makes.
    pub due: usize,
}

/// The database cannot be used.
#[derive(Debug, Error)]
pub enum LookError {
    /// The file cannot be written, or be restricted to its owner.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It cannot be read.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Its tables are not those of super-relay.
    #[error("not a database of super-relay: {0}")]
    NotOurs(#[source] sqlx::Error),
    /// A migration of the same number with another content was made.
    #[error("migration {0} differs from this version's")]
    Differs(i64),
    /// A migration was made that this version does not have.
    #[error("it was migrated by a later version of super-relay")]
    Later,
    /// A page is not as SQLite wrote it.
    #[error("damaged: {0}: restore the newest copy")]
    Damaged(String),
}

/// Reads the whole file and checks its structure, without changing anything: takes as long as the
/// disk takes to read it.
///
/// # Errors
/// [`LookError::Damaged`]; others if it cannot be read.
pub async fn check_pages(file: &Path) -> Result<(), LookError> {
    let Some(mut connection) = open(file).await? else { return Ok(()) };
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    if found == "ok" { Ok(()) } else { Err(LookError::Damaged(found.replace('\n', " "))) }
}

/// `None` if there is no such file, and one can be created.
async fn open(file: &Path) -> Result<Option<SqliteConnection>, LookError> {
    let is_closed = match private_files::check_database(file)? {
        Database::Missing => return Ok(None),
        Database::Closed => true,
        Database::InUse => false,
    };
    // SQLite creates a log for reading, unless it is told that the file does not change.
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(is_closed);
    Ok(Some(options.connect().await?))
}

impl Migrations {
    /// Checks that a file can be opened, written and migrated, without changing anything. `None` if
    /// there is no such file, and one can be created.
    ///
    /// # Errors
    /// [`LookError`].
    pub async fn look_at(self, file: &Path) -> Result<Option<Look>, LookError> {
        let Some(mut connection) = open(file).await? else { return Ok(None) };
        let applied = self.applied(&mut connection).await?;
        let due = self.0.len() - applied.len();
        Ok(Some(Look { connection, applied, due }))
    }

    async fn applied(self, connection: &mut SqliteConnection) -> Result<Vec<i64>, LookError> {
        // The first start was interrupted before a migration.
        if !sqlx::query_scalar(HAS_TABLES).fetch_one(&mut *connection).await? {
            return Ok(Vec::new());
        }
        let query = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
        let applied: Vec<(i64, Vec<u8>)> = query.fetch_all(connection).await.map_err(LookError::NotOurs)?;
        let ours = self.migrator();
        for (version, checksum) in &applied {
            match ours.iter().find(|migration| migration.version == *version) {
                Some(migration) if migration.checksum.as_ref() == checksum.as_slice() => {}
                Some(_) => return Err(LookError::Differs(*version)),
                None => return Err(LookError::Later),
            }
        }
        Ok(applied.into_iter().map(|(version, _)| version).collect())
    }
}
