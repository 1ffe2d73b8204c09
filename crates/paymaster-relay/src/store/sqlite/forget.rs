//! Retention: old sponsorships are deleted, a few in each transaction. Their month's totals have
//! counted them since they closed.

use sqlx::SqliteConnection;

use crate::sqlite::Changes;
use crate::store::StoreError;

/// A reservation that is still open may have the nonce, or the hash, of a closed one.
pub(super) const HAS_OLD_OPEN: &str = "
    SELECT EXISTS (
        SELECT id FROM sponsorships
        WHERE chain_id = ?1 AND valid_until < ?2 AND state IN ('reserved', 'signed')
    )";
/// What was settled after the last reconciliation is compared by the next one, and what a webhook
/// was not told yet is read to tell it.
pub(super) const OLD: &str = "
    SELECT id FROM sponsorships
    WHERE chain_id = ?1 AND created_at < ?2 AND valid_until < ?2
        AND (state = 'settled' OR state = 'released' AND settled_block IS NULL)
        AND NOT EXISTS (
            SELECT block FROM reconciled_blocks AS last
            WHERE last.chain_id = sponsorships.chain_id AND last.entry_point = sponsorships.entry_point
                AND last.paymaster = sponsorships.paymaster AND last.block < sponsorships.settled_block
        )
        AND NOT EXISTS (SELECT webhook FROM webhook_events WHERE sponsorship_id = sponsorships.id)
    ORDER BY created_at LIMIT ?3";
pub(super) const KEEP_KEY: &str = "
    INSERT OR IGNORE INTO kept_keys (chain_id, key_space, idempotency_key, intent_hash)
    SELECT chain_id, key_space, idempotency_key, intent_hash FROM sponsorships
    WHERE id = ?1 AND state = 'settled' AND idempotency_key IS NOT NULL";
pub(super) const FORGET_HASHES: &str = "DELETE FROM earlier_hashes WHERE sponsorship_id = ?1";
pub(super) const FORGET: &str = "DELETE FROM sponsorships WHERE id = ?1";
pub(super) const FORGET_OUTCOMES: &str = "
    DELETE FROM sender_outcomes WHERE (chain_id, sender, day) IN (
        SELECT chain_id, sender, day FROM sender_outcomes WHERE chain_id = ?1 AND day < ?2 LIMIT ?3
    )";
pub(super) const FORGET_HOURS: &str = "
    DELETE FROM hourly_costs
    WHERE (chain_id, entry_point, paymaster) IN (
        SELECT chain_id, entry_point, paymaster FROM settlement_cursors WHERE chain_id = ?1
    ) AND hour < ?2";

const SECONDS_AN_HOUR: i64 = 60 * 60;
const SECONDS_A_DAY: i64 = 24 * SECONDS_AN_HOUR;

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    chain_id: i64,
    before: i64,
    most: u32,
) -> Result<Changes<u64>, StoreError> {
    // The windows of one nonce may begin a little later than each other, and be renewed.
    let open_before = before.saturating_add(SECONDS_A_DAY);
    let has_old_open: bool = sqlx::query_scalar(HAS_OLD_OPEN)
        .bind(chain_id)
        .bind(open_before)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::new)?;
    if has_old_open {
        return Ok(Changes::Undone(0));
    }
    let ids: Vec<String> = sqlx::query_scalar(OLD)
        .bind(chain_id)
        .bind(before)
        .bind(most)
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::new)?;
    for id in &ids {
        for statement in [KEEP_KEY, FORGET_HASHES, FORGET] {
            sqlx::query(statement).bind(id).execute(&mut *connection).await.map_err(StoreError::new)?;
        }
    }
    let outcomes = sqlx::query(FORGET_OUTCOMES).bind(chain_id).bind(before / SECONDS_A_DAY).bind(most);
    outcomes.execute(&mut *connection).await.map_err(StoreError::new)?;
    let hours = sqlx::query(FORGET_HOURS).bind(chain_id).bind(before / SECONDS_AN_HOUR);
    hours.execute(&mut *connection).await.map_err(StoreError::new)?;
    let deleted = ids.len();
    Ok(Changes::Kept(u64::try_from(deleted).unwrap_or(u64::MAX)))
}
