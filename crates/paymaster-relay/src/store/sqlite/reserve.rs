//! Reservation: insert, let the triggers count, and roll back if a limit is exceeded. It is one
//! transaction, so no two requests are promised the same part of a deposit.

use proto::IntentHash;
use sqlx::SqliteConnection;

use super::counters;
use crate::budget::Limit;
use crate::sqlite::{Changes, fixed, signed};
use crate::store::{KeySpace, KeyUse, NewSponsorship, Reserved, StoreError};

pub(super) const INSERT: &str = "
    INSERT INTO sponsorships (id, intent_hash, account_id, idempotency_key, policy_id, entry_point, sender,
        account_nonce, paymaster, verification_gas_limit, valid_after, valid_until, max_cost_gwei, state, created_at,
        api_key, proven, vouched, counters, block, chain_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'reserved', ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

pub(super) const BEGIN_SETTLEMENT: &str = "
    INSERT INTO settlement_cursors (chain_id, entry_point, paymaster, next_block) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (chain_id, entry_point, paymaster) DO NOTHING";

/// A settled sponsorship no longer needs its key if its intent is sponsored again, which only
/// happens if the block that contained it was reorganised away after all.
pub(super) const TAKE_OVER_KEY: &str = "
    UPDATE sponsorships SET idempotency_key = NULL
    WHERE chain_id = ?1 AND key_space = ?2 AND idempotency_key = ?3 AND state = 'settled' AND intent_hash = ?4";

pub(super) const USE_OF_KEY: &str = "
    SELECT intent_hash, state = 'settled' OR settled_block IS NOT NULL FROM sponsorships
    WHERE chain_id = ?1 AND key_space = ?2 AND idempotency_key = ?3 AND state <> 'released'";

pub(super) async fn reserve(
    connection: &mut SqliteConnection,
    sponsorship: NewSponsorship,
    limits: Vec<Limit>,
) -> Result<Changes<Reserved>, StoreError> {
    if let Some(key) = &sponsorship.idempotency_key {
        let space = sponsorship.key_space();
        sqlx::query(TAKE_OVER_KEY)
            .bind(signed(space.chain_id())?)
            .bind(space.owner())
            .bind(key)
            .bind(&sponsorship.intent.0[..])
            .execute(&mut *connection)
            .await
            .map_err(StoreError::new)?;
    }
    match insert(connection, &sponsorship, counters::format(&limits)?).await {
        Ok(()) => {}
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return why_not(connection, &sponsorship).await.map(Changes::Undone);
        }
        Err(error) => return Err(StoreError::new(error)),
    }
    begin_settlement(connection, &sponsorship).await?;
    let totals = counters::totals(connection, &sponsorship.id).await?;
    for limit in &limits {
        let totals = totals.of(&limit.counter)?;
        if let Err(excess) = limit.check(totals, sponsorship.max_cost) {
            return Ok(Changes::Undone(Reserved::OverLimit(excess)));
        }
    }
    Ok(Changes::Kept(Reserved::Recorded))
}

/// If settlement has read nothing yet, it has to begin here.
async fn begin_settlement(connection: &mut SqliteConnection, sponsorship: &NewSponsorship) -> Result<(), StoreError> {
    let NewSponsorship { deployment, block, .. } = sponsorship;
    sqlx::query(BEGIN_SETTLEMENT)
        .bind(signed(deployment.entry_point.chain_id)?)
        .bind(&deployment.entry_point.address.0[..])
        .bind(&deployment.paymaster.0[..])
        .bind(signed(*block)?)
        .execute(connection)
        .await
        .map(drop)
        .map_err(StoreError::new)
}

/// The use of an idempotency key.
pub(super) async fn use_of_key<'c>(
    executor: impl sqlx::Executor<'c, Database = sqlx::Sqlite>,
    space: &KeySpace,
    key: &str,
) -> Result<Option<KeyUse>, StoreError> {
    let row: Option<(Vec<u8>, bool)> = sqlx::query_as(USE_OF_KEY)
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

async fn insert(
    connection: &mut SqliteConnection,
    sponsorship: &NewSponsorship,
    counters: String,
) -> Result<(), sqlx::Error> {
    let terms = &sponsorship.terms;
    let gas = i64::try_from(terms.verification_gas_limit).map_err(encode)?;
    sqlx::query(INSERT)
        .bind(sponsorship.id.as_str())
        .bind(&sponsorship.intent.0[..])
        .bind(sponsorship.account_id.as_str())
        .bind(sponsorship.idempotency_key.as_deref())
        .bind(sponsorship.policy_id.as_str())
        .bind(&sponsorship.deployment.entry_point.address.0[..])
        .bind(&sponsorship.sender.0[..])
        .bind(&sponsorship.account_nonce.0[..])
        .bind(&terms.paymaster.0[..])
        .bind(gas)
        .bind(i64::try_from(terms.valid_after).map_err(encode)?)
        .bind(i64::try_from(terms.valid_until).map_err(encode)?)
        .bind(sponsorship.max_cost.count())
        .bind(i64::try_from(sponsorship.created_at).map_err(encode)?)
        .bind(sponsorship.api_key.as_ref().map(ToString::to_string))
        .bind(sponsorship.principal.is_proven())
        .bind(sponsorship.is_vouched)
        .bind(counters)
        .bind(i64::try_from(sponsorship.block).map_err(encode)?)
        .bind(i64::try_from(sponsorship.deployment.entry_point.chain_id).map_err(encode)?)
        .execute(connection)
        .await
        .map(drop)
}

fn encode(error: std::num::TryFromIntError) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}

async fn why_not(connection: &mut SqliteConnection, sponsorship: &NewSponsorship) -> Result<Reserved, StoreError> {
    let Some(key) = &sponsorship.idempotency_key else {
        return Ok(Reserved::AlreadyRecorded);
    };
    let owner = use_of_key(connection, &sponsorship.key_space(), key).await?;
    Ok(match owner {
        Some(KeyUse { intent, is_mined }) if intent != sponsorship.intent => Reserved::KeyTaken { is_mined },
        _ => Reserved::AlreadyRecorded,
    })
}
