//! Recorded blocks, which identify the chain that was read.

use proto::Hash;
use sqlx::{SqliteConnection, SqlitePool};

use crate::sqlite::{Changes, fixed, signed, unsigned};
use crate::store::StoreError;

pub(super) const HIGHEST: &str =
    "SELECT max(max(next_block, highest_block)) FROM settlement_cursors WHERE chain_id = ?1";
pub(super) const KNOWN: &str = "SELECT number, hash FROM known_blocks WHERE chain_id = ?1 ORDER BY number";
pub(super) const NOTE: &str =
    "INSERT INTO known_blocks (chain_id, number, hash) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
pub(super) const FORGET: &str = "DELETE FROM known_blocks WHERE chain_id = ?1 AND number = ?2";
/// Limited to what a deployment has read.
pub(super) const READ_AGAIN: &str = "
    UPDATE settlement_cursors SET next_block = min(next_block, ?2), highest_block = ?2 WHERE chain_id = ?1";
pub(super) const FORGET_ABOVE: &str = "DELETE FROM known_blocks WHERE chain_id = ?1 AND number > ?2";
/// Below every block.
const NONE: i64 = -1;

pub(super) async fn highest(pool: &SqlitePool, chain_id: u64) -> Result<Option<u64>, StoreError> {
    let highest = sqlx::query_scalar(HIGHEST).bind(signed(chain_id)?).fetch_one(pool);
    let highest: Option<i64> = highest.await.map_err(StoreError::new)?;
    highest.map(unsigned).transpose()
}

pub(super) async fn known(pool: &SqlitePool, chain_id: u64) -> Result<Vec<(u64, Hash)>, StoreError> {
    let rows = sqlx::query_as(KNOWN).bind(signed(chain_id)?).fetch_all(pool);
    let rows: Vec<(i64, Vec<u8>)> = rows.await.map_err(StoreError::new)?;
    rows.into_iter().map(|(number, hash)| Ok((unsigned(number)?, Hash(fixed(&hash)?)))).collect()
}

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    chain_id: u64,
    numbers: Vec<u64>,
) -> Result<Changes<()>, StoreError> {
    let chain_id = signed(chain_id)?;
    for number in numbers {
        let forgetting = sqlx::query(FORGET).bind(chain_id).bind(signed(number)?);
        forgetting.execute(&mut *connection).await.map_err(StoreError::new)?;
    }
    Ok(Changes::Kept(()))
}

pub(super) async fn read_again(
    connection: &mut SqliteConnection,
    chain_id: u64,
    from: u64,
    anchor: Option<u64>,
) -> Result<Changes<()>, StoreError> {
    let chain_id = signed(chain_id)?;
    let reading_again = sqlx::query(READ_AGAIN).bind(chain_id).bind(signed(from)?);
    reading_again.execute(&mut *connection).await.map_err(StoreError::new)?;
    let anchor = anchor.map_or(Ok(NONE), signed)?;
    let forgetting = sqlx::query(FORGET_ABOVE).bind(chain_id).bind(anchor);
    forgetting.execute(connection).await.map_err(StoreError::new)?;
    Ok(Changes::Kept(()))
}
