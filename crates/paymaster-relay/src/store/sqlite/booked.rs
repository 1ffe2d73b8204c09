//! What is booked, for the comparison with the chain.

use proto::{Address, Hash, Wei};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use super::counters::gwei;
use super::ledger::exact;
use crate::gwei::Gwei;
use crate::sqlite::{column, fixed, signed, unsigned};
use crate::store::{Booking, Contracts, Operation, Outcomes, Reconciled, StoreError};

const SECONDS_AN_HOUR: u64 = 60 * 60;
const SECONDS_A_DAY: u64 = 24 * SECONDS_AN_HOUR;

pub(super) const BETWEEN: &str = "
    SELECT coalesce(sum(settled_cost_gwei), 0), coalesce(sum(cost_rounding_wei), 0) FROM sponsorships
    WHERE chain_id = ?1 AND entry_point = ?2 AND paymaster = ?3 AND settled_block > ?4 AND settled_block <= ?5";
pub(super) const OF_HASH: &str = "
    SELECT settled_block, settled_cost_gwei, cost_rounding_wei FROM sponsorships
    WHERE (user_op_hash = ?1 OR id IN (SELECT sponsorship_id FROM earlier_hashes WHERE user_op_hash = ?1))
        AND chain_id = ?2";
/// Settled without a log that names them.
pub(super) const OF_NONCE: &str = "
    SELECT settled_block, settled_cost_gwei, cost_rounding_wei FROM sponsorships
    WHERE chain_id = ?1 AND sender = ?2 AND account_nonce = ?3 AND state = 'settled' AND succeeded IS NULL
        AND entry_point = ?4 AND paymaster = ?5";
pub(super) const RECONCILED: &str = "
    SELECT block, hash, deposit FROM reconciled_blocks WHERE chain_id = ?1 AND entry_point = ?2 AND paymaster = ?3";
pub(super) const NOTE_RECONCILED: &str = "
    INSERT INTO reconciled_blocks (chain_id, entry_point, paymaster, block, hash, deposit) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (chain_id, entry_point, paymaster) DO UPDATE SET
        block = excluded.block, hash = excluded.hash, deposit = excluded.deposit";
pub(super) const SPENT: &str = "
    SELECT coalesce(sum(gwei), 0) FROM hourly_costs
    WHERE chain_id = ?1 AND entry_point = ?2 AND paymaster = ?3 AND hour >= ?4";

pub(super) const OUTCOMES: &str = "
    SELECT coalesce(sum(succeeded), 0), coalesce(sum(reverted), 0) FROM sender_outcomes
    WHERE chain_id = ?1 AND sender = ?2 AND day >= ?3";

pub(super) async fn between(
    readers: &SqlitePool,
    contracts: Contracts,
    after: u64,
    last: u64,
) -> Result<Wei, StoreError> {
    let (cost, rounding): (i64, i64) = sqlx::query_as(BETWEEN)
        .bind(signed(contracts.chain_id)?)
        .bind(&contracts.entry_point.0[..])
        .bind(&contracts.paymaster.0[..])
        .bind(signed(after)?)
        .bind(signed(last)?)
        .fetch_one(readers)
        .await
        .map_err(StoreError::new)?;
    exact(gwei(cost)?, Some(rounding))
}

pub(super) async fn booking(
    readers: &SqlitePool,
    contracts: Contracts,
    operation: &Operation,
) -> Result<Option<Booking>, StoreError> {
    let chain_id = signed(contracts.chain_id)?;
    let mut rows = sqlx::query(OF_HASH)
        .bind(&operation.hash.0[..])
        .bind(chain_id)
        .fetch_all(readers)
        .await
        .map_err(StoreError::new)?;
    if rows.is_empty() {
        rows = sqlx::query(OF_NONCE)
            .bind(chain_id)
            .bind(&operation.sender.0[..])
            .bind(&operation.nonce.0[..])
            .bind(&contracts.entry_point.0[..])
            .bind(&contracts.paymaster.0[..])
            .fetch_all(readers)
            .await
            .map_err(StoreError::new)?;
    }
    let mut found = None;
    for row in &rows {
        let Booking { block, cost } = booked(row)?;
        let sum: &mut Booking = found.get_or_insert(Booking { block, cost: Wei::default() });
        sum.block = sum.block.max(block);
        sum.cost.0 = sum.cost.0.saturating_add(cost.0);
    }
    Ok(found)
}

fn booked(row: &SqliteRow) -> Result<Booking, StoreError> {
    let block: Option<i64> = column(row, "settled_block")?;
    let cost: Option<i64> = column(row, "settled_cost_gwei")?;
    let rounding: Option<i64> = column(row, "cost_rounding_wei")?;
    Ok(Booking {
        block: block.map(unsigned).transpose()?,
        cost: cost.map_or(Ok(Wei::default()), |cost| exact(gwei(cost)?, rounding))?,
    })
}

pub(super) async fn reconciled(readers: &SqlitePool, contracts: Contracts) -> Result<Option<Reconciled>, StoreError> {
    let row: Option<(i64, Vec<u8>, Option<String>)> = sqlx::query_as(RECONCILED)
        .bind(signed(contracts.chain_id)?)
        .bind(&contracts.entry_point.0[..])
        .bind(&contracts.paymaster.0[..])
        .fetch_optional(readers)
        .await
        .map_err(StoreError::new)?;
    let found = |(block, hash, deposit): (i64, Vec<u8>, Option<String>)| {
        let deposit = deposit.map(|deposit| deposit.parse().map(Wei).map_err(StoreError::new)).transpose()?;
        Ok(Reconciled { block: unsigned(block)?, hash: Hash(fixed(&hash)?), deposit })
    };
    row.map(found).transpose()
}

pub(super) async fn spent_since(readers: &SqlitePool, contracts: Contracts, time: u64) -> Result<Gwei, StoreError> {
    let row = sqlx::query(SPENT)
        .bind(signed(contracts.chain_id)?)
        .bind(&contracts.entry_point.0[..])
        .bind(&contracts.paymaster.0[..])
        .bind(signed(time / SECONDS_AN_HOUR)?)
        .fetch_one(readers)
        .await
        .map_err(StoreError::new)?;
    gwei(row.try_get(0).map_err(StoreError::new)?)
}

pub(super) async fn outcomes_since(
    readers: &SqlitePool,
    chain_id: u64,
    sender: Address,
    time: u64,
) -> Result<Outcomes, StoreError> {
    let (succeeded, reverted): (i64, i64) = sqlx::query_as(OUTCOMES)
        .bind(signed(chain_id)?)
        .bind(&sender.0[..])
        .bind(signed(time / SECONDS_A_DAY)?)
        .fetch_one(readers)
        .await
        .map_err(StoreError::new)?;
    Ok(Outcomes { succeeded: unsigned(succeeded)?, reverted: unsigned(reverted)? })
}
