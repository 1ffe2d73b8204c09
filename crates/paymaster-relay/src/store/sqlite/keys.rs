//! Idempotency keys: each is unique in its space among the sponsorships that were not released.

use proto::IntentHash;
use sqlx::SqliteConnection;

use crate::sqlite::{Changes, fixed, signed, unsigned};
use crate::store::{KeyNoted, KeySpace, KeyUse, SponsorshipId, StoreError};

pub(super) const USE: &str = "
    SELECT intent_hash, state = 'settled' OR settled_block IS NOT NULL FROM sponsorships
    WHERE chain_id = ?1 AND key_space = ?2 AND idempotency_key = ?3 AND state <> 'released'
    UNION ALL
    SELECT intent_hash, 1 FROM kept_keys WHERE chain_id = ?1 AND key_space = ?2 AND idempotency_key = ?3";
pub(super) const OF_SPONSORSHIP: &str = "
    SELECT idempotency_key, intent_hash, chain_id, key_space FROM sponsorships WHERE id = ?1 AND state <> 'released'";
pub(super) const NOTE: &str = "UPDATE sponsorships SET idempotency_key = ?2 WHERE id = ?1";

/// The use of an idempotency key.
pub(super) async fn use_of(
    executor: impl sqlx::Executor<'_, Database = sqlx::Sqlite>,
    space: &KeySpace,
    key: &str,
) -> Result<Option<KeyUse>, StoreError> {
    let row: Option<(Vec<u8>, bool)> = sqlx::query_as(USE)
        .bind(signed(space.chain_id())?)
        .bind(space.owner())
        .bind(key)
        .fetch_optional(executor)
        .await
        .map_err(StoreError::new)?;
    let key_use =
        |(intent, is_mined): (Vec<u8>, bool)| Ok(KeyUse { intent: fixed(&intent).map(IntentHash)?, is_mined });
    row.map(key_use).transpose()
}

/// Records the key of a sponsorship that has none.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    id: SponsorshipId,
    key: String,
) -> Result<Changes<KeyNoted>, StoreError> {
    let row: Option<(Option<String>, Vec<u8>, i64, String)> = sqlx::query_as(OF_SPONSORSHIP)
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::new)?;
    let Some((stored, intent, chain_id, owner)) = row else {
        return Ok(Changes::Undone(KeyNoted::Released));
    };
    if let Some(stored) = stored {
        return Ok(Changes::Undone(if stored == key { KeyNoted::Noted } else { KeyNoted::HasAnother }));
    }
    let (space, intent) = (KeySpace::stored(unsigned(chain_id)?, owner), fixed(&intent).map(IntentHash)?);
    match use_of(&mut *connection, &space, &key).await? {
        None => {}
        Some(KeyUse { intent: same, is_mined: true }) if same == intent => {
            return Ok(Changes::Undone(KeyNoted::Noted));
        }
        Some(KeyUse { is_mined, .. }) => return Ok(Changes::Undone(KeyNoted::Taken { is_mined })),
    }
    sqlx::query(NOTE).bind(id.as_str()).bind(key).execute(connection).await.map_err(StoreError::new)?;
    Ok(Changes::Kept(KeyNoted::Noted))
}
