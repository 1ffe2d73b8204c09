//! The ledger: pages of sponsorships, and monthly totals.

use proto::{Address, Hash, UserOpHash, Wei};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow as _};

use super::counters::gwei;
use crate::gwei::Gwei;
use crate::sqlite::{column, fixed, signed, unsigned};
use crate::store::{Entry, EntryState, LedgerQuery, Page, Position, StoreError, UsageBy, UsageQuery, UsageRow};

/// Maximum number of rows that one page looks at, and of totals that one answer has.
const MOST: u32 = 1000;

/// The next chain with sponsorships.
pub(super) const NEXT_CHAIN: &str = "SELECT min(chain_id) FROM settlement_cursors WHERE chain_id >= ?1";
pub(super) const PAGE: &str = "
    SELECT rowid AS position, id, created_at, state, chain_id, entry_point, paymaster, account_id, sender, policy_id,
        api_key, valid_until, max_cost_gwei, settled_block, settled_cost_gwei, cost_rounding_wei, gas_used, succeeded,
        transaction_hash, user_op_hash
    FROM sponsorships
    WHERE chain_id = ?1 AND (created_at, rowid) > (?2, ?3) AND created_at < ?4
    ORDER BY created_at, rowid LIMIT ?5";

/// Settled again or for the first time by a version without the ledger, a row has no rounding.
pub(super) fn exact(gwei: Gwei, rounding: Option<i64>) -> Result<Wei, StoreError> {
    let rounding = u128::from(unsigned(rounding.unwrap_or_default())?);
    Ok(Wei(gwei.to_wei().0.saturating_sub(rounding)))
}

pub(super) async fn page(readers: &SqlitePool, query: &LedgerQuery) -> Result<Page, StoreError> {
    let to = query.to.map_or(Ok(i64::MAX), signed)?;
    let begin = |chain_id| Position { chain_id, requested_at: query.from.unwrap_or_default(), row: i64::MIN };
    let mut at = match query.after {
        Some(after) => after,
        None => begin(query.chain_id.unwrap_or_default()),
    };
    let (mut page, mut looked_at) = (Page::default(), 0);
    loop {
        let left = MOST - looked_at;
        // The request before `from` at that time is none of them: rows have numbers from 1.
        let rows = sqlx::query(PAGE)
            .bind(signed(at.chain_id)?)
            .bind(signed(at.requested_at)?)
            .bind(at.row)
            .bind(to)
            .bind(left)
            .fetch_all(readers)
            .await
            .map_err(StoreError::new)?;
        for row in &rows {
            let entry = entry(row)?;
            if query.admits(&entry) {
                page.entries.push(entry);
            }
        }
        looked_at += u32::try_from(rows.len()).unwrap_or(left);
        if let Some(last) = rows.last().filter(|_| looked_at >= MOST) {
            let requested_at = unsigned(column(last, "created_at")?)?;
            page.next = Some(Position { requested_at, row: column(last, "position")?, ..at });
            return Ok(page);
        }
        match next_chain(readers, at.chain_id).await? {
            Some(chain_id) if query.chain_id.is_none() => at = begin(chain_id),
            _ => return Ok(page),
        }
    }
}

async fn next_chain(readers: &SqlitePool, chain_id: u64) -> Result<Option<u64>, StoreError> {
    let next: Option<i64> = sqlx::query_scalar(NEXT_CHAIN)
        .bind(signed(chain_id.saturating_add(1))?)
        .fetch_one(readers)
        .await
        .map_err(StoreError::new)?;
    next.map(unsigned).transpose()
}

fn entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    let address = |name| column::<Vec<u8>>(row, name).and_then(|bytes| fixed(&bytes)).map(Address);
    let number = |name| column::<Option<i64>>(row, name)?.map(unsigned).transpose();
    let hash = |name| column::<Option<Vec<u8>>>(row, name)?.map(|bytes| fixed::<32>(&bytes)).transpose();
    let block = number("settled_block")?;
    let succeeded: Option<bool> = column(row, "succeeded")?;
    let cost: Option<i64> = column(row, "settled_cost_gwei")?;
    let rounding: Option<i64> = column(row, "cost_rounding_wei")?;
    Ok(Entry {
        id: column(row, "id")?,
        requested_at: unsigned(column(row, "created_at")?)?,
        state: state(&column::<String>(row, "state")?, block.is_some(), succeeded.is_some())?,
        chain_id: unsigned(column(row, "chain_id")?)?,
        entry_point: address("entry_point")?,
        paymaster: address("paymaster")?,
        account_id: column(row, "account_id")?,
        sender: address("sender")?,
        policy: column(row, "policy_id")?,
        api_key: column(row, "api_key")?,
        valid_until: unsigned(column(row, "valid_until")?)?,
        worst_case: gwei(column(row, "max_cost_gwei")?)?.to_wei(),
        cost: cost.map(|cost| exact(gwei(cost)?, rounding)).transpose()?,
        gas_used: number("gas_used")?,
        succeeded,
        block,
        transaction: hash("transaction_hash")?.map(Hash),
        user_op_hash: hash("user_op_hash")?.map(UserOpHash),
    })
}

fn state(text: &str, has_block: bool, is_told: bool) -> Result<EntryState, StoreError> {
    match text {
        "settled" if is_told => Ok(EntryState::Settled),
        "settled" => Ok(EntryState::Unknown),
        "reserved" | "signed" | "released" if has_block => Ok(EntryState::Mined),
        "reserved" => Ok(EntryState::Reserved),
        "signed" => Ok(EntryState::Signed),
        "released" => Ok(EntryState::Released),
        _ => Err(StoreError::new("a sponsorship of an unknown state")),
    }
}

pub(super) fn usage_of(by: UsageBy) -> String {
    let (month, subject) = match by {
        UsageBy::Policy => ("month", "policy_id"),
        UsageBy::ApiKey => ("month", "api_key"),
        UsageBy::Month => ("month", "''"),
        UsageBy::Chain => ("''", "''"),
    };
    format!(
        "SELECT {month} AS month, chain_id, {subject} AS subject, sum(settled), sum(succeeded), sum(reverted),
             sum(released), sum(worst_case_gwei), sum(cost_gwei), sum(cost_rounding_wei), sum(gas_used)
         FROM monthly_totals WHERE month BETWEEN ?1 AND ?2
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT {MOST} OFFSET ?3"
    )
}

/// Later than every month.
const LAST_MONTH: &str = "~";

pub(super) async fn usage(readers: &SqlitePool, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(usage_of(query.by)))
        .bind(query.from.as_deref().unwrap_or_default())
        .bind(query.to.as_deref().unwrap_or(LAST_MONTH))
        .bind(query.skip)
        .fetch_all(readers)
        .await
        .map_err(StoreError::new)?;
    rows.iter().map(usage_row).collect()
}

type Totals = (String, i64, String, i64, i64, i64, i64, i64, i64, i64, i64);

fn usage_row(row: &SqliteRow) -> Result<UsageRow, StoreError> {
    let (month, chain_id, subject, settled, succeeded, reverted, released, worst_case, cost, rounding, gas_used) =
        Totals::from_row(row).map_err(StoreError::new)?;
    Ok(UsageRow {
        month,
        chain_id: unsigned(chain_id)?,
        subject,
        settled: unsigned(settled)?,
        succeeded: unsigned(succeeded)?,
        reverted: unsigned(reverted)?,
        released: unsigned(released)?,
        worst_case: gwei(worst_case)?.to_wei(),
        cost: exact(gwei(cost)?, Some(rounding))?,
        gas_used: unsigned(gas_used)?,
    })
}
