//! Expired reservations.

use proto::{Address, IntentHash, Uint256, UserOpHash};
use sqlx::{SqliteConnection, SqlitePool};

use super::counters::gwei;
use crate::sqlite::{Changes, column, fixed, signed, unsigned};
use crate::store::{Contracts, Expired, SponsorshipId, StoreError};

pub(super) const LIST: &str = "
    SELECT id, intent_hash, sender, account_nonce, block, max_cost_gwei FROM sponsorships
    WHERE state IN ('reserved', 'signed') AND valid_until < ?1 AND settled_block IS NULL
        AND chain_id = ?2 AND entry_point = ?3 AND paymaster = ?4
    LIMIT ?5";
pub(super) const RELEASE: &str = "
    UPDATE sponsorships SET state = 'released'
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND valid_until < ?2 AND settled_block IS NULL";
pub(super) const SETTLE_UNKNOWN: &str = "
    UPDATE sponsorships SET state = 'settled', settled_block = ?3, (settled_cost_gwei, cost_rounding_wei) = (
        SELECT iif(count(*) = 0, ?4, 0), iif(count(*) = 0, ?5, 0) FROM sponsorships AS other
        WHERE other.chain_id = sponsorships.chain_id AND other.sender = sponsorships.sender
            AND other.account_nonce = sponsorships.account_nonce AND other.entry_point = sponsorships.entry_point
            AND other.state = 'settled' AND other.succeeded IS NULL
    )
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND valid_until < ?2 AND settled_block IS NULL";
pub(super) const SETTLE_MISSED: &str = "
    UPDATE sponsorships SET state = 'settled', settled_block = ?3, settled_cost_gwei = ?4, cost_rounding_wei = ?5,
        succeeded = ?6, transaction_hash = ?7, gas_used = ?8
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND valid_until < ?2 AND settled_block IS NULL";
pub(super) const OF_OPERATION: &str = "
    SELECT id, intent_hash FROM sponsorships
    WHERE user_op_hash = ?1 OR id IN (SELECT sponsorship_id FROM earlier_hashes WHERE user_op_hash = ?1)";

pub(super) async fn list(
    readers: &SqlitePool,
    contracts: Contracts,
    ended_before: u64,
    most: u32,
) -> Result<Vec<Expired>, StoreError> {
    let rows = sqlx::query(LIST)
        .bind(signed(ended_before)?)
        .bind(signed(contracts.chain_id)?)
        .bind(&contracts.entry_point.0[..])
        .bind(&contracts.paymaster.0[..])
        .bind(most)
        .fetch_all(readers)
        .await
        .map_err(StoreError::new)?;
    let expired = |row| {
        let (sender, nonce): (Vec<u8>, Vec<u8>) = (column(row, "sender")?, column(row, "account_nonce")?);
        let (intent, block): (Vec<u8>, Option<i64>) = (column(row, "intent_hash")?, column(row, "block")?);
        Ok(Expired {
            id: SponsorshipId(column(row, "id")?),
            intent: fixed(&intent).map(IntentHash)?,
            sender: Address(fixed(&sender)?),
            nonce: Uint256(fixed(&nonce)?),
            block: block.map(unsigned).transpose()?,
            max_cost: gwei(column(row, "max_cost_gwei")?)?,
        })
    };
    rows.iter().map(expired).collect()
}

/// The sponsorships of an operation, and their intents.
pub(super) async fn of_operation(
    readers: &SqlitePool,
    hash: &UserOpHash,
) -> Result<Vec<(SponsorshipId, IntentHash)>, StoreError> {
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as(OF_OPERATION).bind(&hash.0[..]).fetch_all(readers).await.map_err(StoreError::new)?;
    rows.into_iter().map(|(id, intent)| Ok((SponsorshipId(id), fixed(&intent).map(IntentHash)?))).collect()
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    ids: Vec<SponsorshipId>,
    ended_before: i64,
) -> Result<Changes<u64>, StoreError> {
    let mut released = 0;
    for id in ids {
        let statement = sqlx::query(RELEASE).bind(id.as_str()).bind(ended_before);
        released += statement.execute(&mut *connection).await.map_err(StoreError::new)?.rows_affected();
    }
    Ok(Changes::Kept(released))
}
