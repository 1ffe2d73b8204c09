//! Accounts that the TEE was asked to create.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use crate::ceremony::LIFETIME_SECONDS;
use crate::store::{Creation, FoundCreation, StoreError, UNFINISHED_AT_ONCE, Unfinished};

/// Seconds after which an unfinished creation is given up.
const GIVEN_UP_AFTER: i64 = 86_400;
/// Lifetime of a registration in seconds, as an SQLite integer. One that ends later began while the
/// clock was ahead.
const LIFETIME: i64 = LIFETIME_SECONDS.cast_signed();

const COLUMNS: &str = "registration_id, account_id, registration, asked_at, expires_at";

/// Maximum number of old rows that one write checks, since other writes wait for it.
const LOOKED_AT: u8 = 64;

/// Writes it, replacing an earlier one of the same registration, and deletes some that are given
/// up.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    creation: &Creation,
    uptime: i64,
) -> Result<(), StoreError> {
    let now = creation.asked_at.cast_signed();
    sqlx::query(
        "DELETE FROM creations WHERE rowid IN (
             SELECT id FROM (
                 SELECT rowid AS id, uptime FROM creations WHERE expires_at < ?1 - ?2 ORDER BY expires_at LIMIT ?4
             ) WHERE uptime < ?3 - ?2)",
    )
    .bind(now)
    .bind(GIVEN_UP_AFTER)
    .bind(uptime)
    .bind(LOOKED_AT)
    .execute(&mut *connection)
    .await?;
    // Tried while the clock was ahead: it would stay behind all others until the clock catches up.
    sqlx::query("UPDATE creations SET tried_at = 0 WHERE tried_at > ?1 + ?2")
        .bind(now)
        .bind(LIFETIME)
        .execute(&mut *connection)
        .await?;
    let registration = postcard::to_allocvec(&creation.registration).map_err(encoding)?;
    sqlx::query(
        "INSERT INTO creations (registration_id, account_id, credential_id, registration, asked_at, expires_at, uptime)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (registration_id) DO UPDATE SET
             account_id = excluded.account_id, asked_at = excluded.asked_at, uptime = excluded.uptime",
    )
    .bind(creation.registration_id.to_string())
    .bind(creation.account_id.as_str())
    .bind(creation.registration.credential_id.to_vec())
    .bind(registration)
    .bind(now)
    .bind(creation.expires_at.cast_signed())
    .bind(uptime)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes those of a credential that has an account now.
pub(super) async fn complete(connection: &mut SqliteConnection, credential_id: &[u8]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM creations WHERE credential_id = ?1").bind(credential_id).execute(connection).await?;
    Ok(())
}

pub(super) async fn forget(connection: &mut SqliteConnection, registration_id: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM creations WHERE registration_id = ?1")
        .bind(registration_id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Marks it as tried, so that others come first.
pub(super) async fn tried(connection: &mut SqliteConnection, row: i64, now: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE creations SET tried_at = ?2 WHERE rowid = ?1")
        .bind(row)
        .bind(now.cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}

/// The least recently tried first, limited to a few.
pub(super) async fn unfinished(pool: &SqlitePool, which: &Unfinished) -> Result<Vec<FoundCreation>, StoreError> {
    let condition = match which {
        Unfinished::Expired { .. } => "(expires_at < ?1 OR expires_at > ?1 + ?2)",
        Unfinished::Of(_) => "registration_id = ?1",
        Unfinished::Named(_) => "account_id = ?1",
    };
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT rowid, {COLUMNS} FROM creations WHERE {condition}
         ORDER BY tried_at, expires_at LIMIT {UNFINISHED_AT_ONCE}"
    ));
    let query = match which {
        Unfinished::Expired { now } => sqlx::query(query).bind(now.cast_signed()).bind(LIFETIME),
        Unfinished::Of(registration_id) => sqlx::query(query).bind(registration_id.to_string()),
        Unfinished::Named(account_id) => sqlx::query(query).bind(account_id.as_str()),
    };
    let rows = query.fetch_all(pool).await?;
    rows.iter().map(|row| Ok(found(row)?)).collect()
}

fn found(row: &SqliteRow) -> Result<FoundCreation, sqlx::Error> {
    let rowid = row.try_get("rowid")?;
    // A row that is corrupt, or written by another version, delays no others.
    let creation = read(row).inspect_err(|error| tracing::warn!(row = rowid, %error, "unreadable creation"));
    Ok(FoundCreation { row: rowid, creation: creation.ok() })
}

fn read(row: &SqliteRow) -> Result<Creation, sqlx::Error> {
    let damaged = |index: &str, source| sqlx::Error::ColumnDecode { index: index.into(), source };
    let registration_id: String = row.try_get("registration_id")?;
    let account_id: String = row.try_get("account_id")?;
    let registration: Vec<u8> = row.try_get("registration")?;
    let (asked_at, expires_at): (i64, i64) = (row.try_get("asked_at")?, row.try_get("expires_at")?);
    Ok(Creation {
        registration_id: registration_id.parse().map_err(|error| damaged("registration_id", Box::from(error)))?,
        account_id: account_id.parse().map_err(|_| damaged("account_id", "not an account id".into()))?,
        registration: postcard::from_bytes(&registration).map_err(|error| damaged("registration", error.into()))?,
        asked_at: asked_at.cast_unsigned(),
        expires_at: expires_at.cast_unsigned(),
    })
}

fn encoding(error: postcard::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
