//! What tells the chain that was read from another one.

use proto::Hash;
use sqlx::{SqliteConnection, SqlitePool};

use super::StoreError;
use crate::sqlite::{Changes, fixed, signed, unsigned};

pub(super) const HIGHEST: &str = "SELECT max(max(next_block, highest_block)) FROM settlement_cursors";
pub(super) const KNOWN: &str = "SELECT number, hash FROM known_blocks ORDER BY number";
pub(super) const NOTE: &str = "INSERT INTO known_blocks (number, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const READ_ANEW: &str = "UPDATE settlement_cursors SET next_block = ?1, highest_block = ?1";
const FORGET: &str = "DELETE FROM known_blocks";

pub(super) async fn highest(pool: &SqlitePool) -> Result<Option<u64>, StoreError> {
    let highest: Option<i64> = sqlx::query_scalar(HIGHEST).fetch_one(pool).await.map_err(StoreError::new)?;
    highest.map(unsigned).transpose()
}

pub(super) async fn known(pool: &SqlitePool) -> Result<Vec<(u64, Hash)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(KNOWN).fetch_all(pool).await.map_err(StoreError::new)?;
    rows.into_iter().map(|(number, hash)| Ok((unsigned(number)?, Hash(fixed(&hash)?)))).collect()
}

pub(super) async fn read_anew(connection: &mut SqliteConnection, from: u64) -> Result<Changes<()>, StoreError> {
    sqlx::query(READ_ANEW).bind(signed(from)?).execute(&mut *connection).await.map_err(StoreError::new)?;
    sqlx::query(FORGET).execute(connection).await.map_err(StoreError::new)?;
    Ok(Changes::Kept(()))
}
