//! Settlement: a mined operation is recorded immediately, and closed when its block is final. In
//! between it is still reserved, so a reorganisation never reclaims an amount that was promised to
//! someone else.

use std::collections::HashSet;

use futures_util::FutureExt;
use proto::UserOpHash;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::deployment::Deployment;
use crate::gwei::Gwei;
use crate::sqlite::{Changes, Writer, column, signed};
use crate::store::{BlocksRead, Settled, Settlement, StoreError};

/// Number of operations in one job of the writer, since other jobs wait for it.
const AT_ONCE: usize = 256;
/// The maximum block number in the database.
const LAST_BLOCK: i64 = i64::MAX;

pub(super) const FIND: &str = "
    SELECT id, settled_block, transaction_hash, settled_cost_gwei, cost_rounding_wei, succeeded FROM sponsorships
    WHERE (user_op_hash = ?1 OR id IN (SELECT sponsorship_id FROM earlier_hashes WHERE user_op_hash = ?1))
        AND chain_id = ?2
    ORDER BY rowid";
pub(super) const NOTE: &str = "
    UPDATE sponsorships SET settled_block = ?2, settled_cost_gwei = ?3, cost_rounding_wei = ?4, succeeded = ?5,
        transaction_hash = ?6, gas_used = ?7
    WHERE id = ?1";
pub(super) const NOTED: &str = "
    SELECT id FROM sponsorships
    WHERE chain_id = ?1 AND settled_block BETWEEN ?2 AND ?3 AND state <> 'settled'
        AND entry_point = ?4 AND paymaster = ?5";
pub(super) const TAKE_BACK: &str = "
    UPDATE sponsorships SET settled_block = NULL, settled_cost_gwei = NULL, cost_rounding_wei = NULL, succeeded = NULL,
        transaction_hash = NULL, gas_used = NULL
    WHERE id = ?1";
/// A key released with its reservation may belong to another sponsorship by now.
pub(super) const CLOSE: &str = "
    UPDATE sponsorships SET state = 'settled',
        idempotency_key = CASE WHEN state = 'released' THEN NULL ELSE idempotency_key END
    WHERE chain_id = ?1 AND settled_block <= ?2 AND state <> 'settled' AND entry_point = ?3 AND paymaster = ?4";
pub(super) const MOVE_ON: &str = "
    INSERT INTO settlement_cursors (chain_id, entry_point, paymaster, next_block, highest_block)
    VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (chain_id, entry_point, paymaster) DO UPDATE SET
        next_block = excluded.next_block, highest_block = max(highest_block, next_block, excluded.next_block)";

type Mined = (UserOpHash, Settlement);

/// The result of one part of the operations.
#[derive(Default)]
struct Noted {
    ids: HashSet<String>,
    ours: u64,
    unknown: Vec<Mined>,
}

pub(super) async fn settle(writer: &Writer, deployment: &Deployment, read: &BlocksRead) -> Result<Settled, StoreError> {
    let mut all = Noted::default();
    let chain_id = signed(deployment.entry_point.chain_id)?;
    for part in read.mined.chunks(AT_ONCE) {
        let part = part.to_vec();
        let noted = writer.write(move |connection| note(connection, chain_id, part).boxed()).await?;
        all.ids.extend(noted.ids);
        all.ours += noted.ours;
        all.unknown.extend(noted.unknown);
    }
    let (entry_point, paymaster) = (deployment.entry_point.address.0, deployment.paymaster.0);
    let end = if read.to >= read.latest { LAST_BLOCK } else { signed(read.to)? };
    let blocks = Blocks {
        chain_id,
        entry_point,
        paymaster,
        from: signed(read.from)?,
        end,
        last_final: read.last_final.map(|block| signed(block.min(read.to))).transpose()?,
        next: signed(read.next)?,
    };
    let Noted { ids, ours, unknown } = all;
    let reorganised = writer.write(move |connection| close(connection, blocks, ids).boxed()).await?;
    Ok(Settled { ours, unknown, reorganised })
}

/// The blocks that were read, in database form.
struct Blocks {
    chain_id: i64,
    entry_point: [u8; 20],
    paymaster: [u8; 20],
    from: i64,
    /// There are no blocks beyond the latest.
    end: i64,
    last_final: Option<i64>,
    next: i64,
}

/// What is noted of a mined operation in the row of a sponsorship.
#[derive(PartialEq, Eq)]
struct Note {
    block: Option<i64>,
    transaction: Option<Vec<u8>>,
    cost_gwei: Option<i64>,
    rounding_wei: Option<i64>,
    succeeded: Option<bool>,
}

impl Note {
    fn of(settlement: &Settlement) -> Result<Self, StoreError> {
        let (cost, rounding) = Gwei::rounded_up(settlement.cost);
        Ok(Self {
            block: Some(signed(settlement.block)?),
            transaction: Some(settlement.transaction.0.to_vec()),
            cost_gwei: Some(cost.count()),
            rounding_wei: Some(rounding),
            succeeded: Some(settlement.succeeded),
        })
    }

    fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            block: column(row, "settled_block")?,
            transaction: column(row, "transaction_hash")?,
            cost_gwei: column(row, "settled_cost_gwei")?,
            rounding_wei: column(row, "cost_rounding_wei")?,
            succeeded: column(row, "succeeded")?,
        })
    }
}

/// Records block and cost of each of our operations. One that was sponsored several times was paid
/// for once: the first of its sponsorships has the cost.
async fn note(
    connection: &mut SqliteConnection,
    chain_id: i64,
    mined: Vec<Mined>,
) -> Result<Changes<Noted>, StoreError> {
    let mut noted = Noted::default();
    for (hash, settlement) in mined {
        let rows = sqlx::query(FIND)
            .bind(&hash.0[..])
            .bind(chain_id)
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::new)?;
        if rows.is_empty() {
            noted.unknown.push((hash, settlement));
            continue;
        }
        noted.ours += 1;
        for (number, row) in rows.iter().enumerate() {
            let id: String = column(row, "id")?;
            let of_row = if number == 0 { settlement } else { settlement.paid_elsewhere() };
            let note = Note::of(&of_row)?;
            if note != Note::read(row)? {
                sqlx::query(NOTE)
                    .bind(id.as_str())
                    .bind(note.block)
                    .bind(note.cost_gwei)
                    .bind(note.rounding_wei)
                    .bind(note.succeeded)
                    .bind(note.transaction)
                    .bind(gas(&of_row))
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::new)?;
            }
            noted.ids.insert(id);
        }
    }
    Ok(Changes::Kept(noted))
}

/// As a database integer, capped.
pub(super) fn gas(settlement: &Settlement) -> i64 {
    i64::try_from(settlement.gas_used).unwrap_or(i64::MAX)
}

/// Reopens operations that are no longer in these blocks, closes final ones, and advances the
/// cursor; returns the number of reopened ones.
async fn close(
    connection: &mut SqliteConnection,
    blocks: Blocks,
    still_there: HashSet<String>,
) -> Result<Changes<u64>, StoreError> {
    let noted: Vec<String> = sqlx::query_scalar(NOTED)
        .bind(blocks.chain_id)
        .bind(blocks.from)
        .bind(blocks.end)
        .bind(&blocks.entry_point[..])
        .bind(&blocks.paymaster[..])
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::new)?;
    let mut reorganised = 0;
    for id in noted.iter().filter(|id| !still_there.contains(*id)) {
        sqlx::query(TAKE_BACK).bind(id.as_str()).execute(&mut *connection).await.map_err(StoreError::new)?;
        reorganised += 1;
    }
    if let Some(last_final) = blocks.last_final {
        sqlx::query(CLOSE)
            .bind(blocks.chain_id)
            .bind(last_final)
            .bind(&blocks.entry_point[..])
            .bind(&blocks.paymaster[..])
            .execute(&mut *connection)
            .await
            .map_err(StoreError::new)?;
    }
    sqlx::query(MOVE_ON)
        .bind(blocks.chain_id)
        .bind(&blocks.entry_point[..])
        .bind(&blocks.paymaster[..])
        .bind(blocks.next)
        .execute(connection)
        .await
        .map_err(StoreError::new)?;
    Ok(Changes::Kept(reorganised))
}
