//! What tells the chain that was read from another one.

use proto::Hash;
use sqlx::{SqliteConnection, SqlitePool};

use crate::sqlite::{Changes, fixed, signed, unsigned};
use crate::store::StoreError;

pub(super) const HIGHEST: &str = "SELECT max(max(next_block, highest_block)) FROM settlement_cursors";
pub(super) const KNOWN: &str = "SELECT number, hash FROM known_blocks ORDER BY number";
pub(super) const NOTE: &str = "INSERT INTO known_blocks (number, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
pub(super) const FORGET: &str = "DELETE FROM known_blocks WHERE number = ?1";
/// Not beyond what a deployment has read.
const READ_AGAIN: &str = "UPDATE settlement_cursors SET next_block = min(next_block, ?1), highest_block = ?1";
const FORGET_ABOVE: &str = "DELETE FROM known_blocks WHERE number > ?1";
/// Below every block.
const NONE: i64 = -1;

pub(super) async fn highest(pool: &SqlitePool) -> Result<Option<u64>, StoreError> {
    let highest: Option<i64> = sqlx::query_scalar(HIGHEST).fetch_one(pool).await.map_err(StoreError::new)?;
    highest.map(unsigned).transpose()
}

pub(super) async fn known(pool: &SqlitePool) -> Result<Vec<(u64, Hash)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(KNOWN).fetch_all(pool).await.map_err(StoreError::new)?;
    rows.into_iter().map(|(number, hash)| Ok((unsigned(number)?, Hash(fixed(&hash)?)))).collect()
}

pub(super) async fn forget(connection: &mut SqliteConnection, numbers: Vec<u64>) -> Result<Changes<()>, StoreError> {
    for number in numbers {
        let forgetting = sqlx::query(FORGET).bind(signed(number)?);
        forgetting.execute(&mut *connection).await.map_err(StoreError::new)?;
    }
    Ok(Changes::Kept(()))
}

pub(super) async fn read_again(
    connection: &mut SqliteConnection,
    from: u64,
    anchor: Option<u64>,
) -> Result<Changes<()>, StoreError> {
    sqlx::query(READ_AGAIN).bind(signed(from)?).execute(&mut *connection).await.map_err(StoreError::new)?;
    let anchor = anchor.map_or(Ok(NONE), signed)?;
    sqlx::query(FORGET_ABOVE).bind(anchor).execute(connection).await.map_err(StoreError::new)?;
    Ok(Changes::Kept(()))
}
