//! Reservation: insert, let the triggers count, and roll back if a limit is exceeded. It is one
//! transaction, so no two requests are promised the same part of a deposit.

use sqlx::SqliteConnection;

use super::{counters, keys, outbox, usage};
use crate::budget::Limit;
use crate::sqlite::{Changes, signed};
use crate::store::{KeyUse, NewSponsorship, Reserved, StoreError};

pub(super) const INSERT: &str = "
    INSERT INTO sponsorships (id, intent_hash, account_id, idempotency_key, policy_id, entry_point, sender,
        account_nonce, paymaster, verification_gas_limit, valid_after, valid_until, max_cost_gwei, state, created_at,
        api_key, proven, vouched, counters, block, chain_id, usage, micro_usd_per_ether)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'reserved', ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";

pub(super) const BEGIN_SETTLEMENT: &str = "
    INSERT INTO settlement_cursors (chain_id, entry_point, paymaster, next_block) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (chain_id, entry_point, paymaster) DO NOTHING";

pub(super) async fn reserve(
    connection: &mut SqliteConnection,
    mut sponsorship: NewSponsorship,
    limits: Vec<Limit>,
) -> Result<Changes<Reserved>, StoreError> {
    if let Some(key) = &sponsorship.idempotency_key {
        match keys::use_of(&mut *connection, &sponsorship.key_space(), key).await? {
            Some(KeyUse { intent, is_mined }) if intent != sponsorship.intent => {
                return Ok(Changes::Undone(Reserved::KeyTaken { is_mined }));
            }
            // What is settled keeps its key if its intent is sponsored again: which happens only if
            // the block that contained it was reorganised away after all, or a node that lags was
            // believed.
            Some(KeyUse { is_mined: true, .. }) => sponsorship.idempotency_key = None,
            Some(_) | None => {}
        }
    }
    match insert(connection, &sponsorship, counters::format(&limits)?, usage::format(&sponsorship)?).await {
        Ok(()) => {}
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return why_not(connection, &sponsorship).await.map(Changes::Undone);
        }
        Err(error) => return Err(StoreError::new(error)),
    }
    if let Some(webhook) = &sponsorship.webhook {
        outbox::tell(connection, &sponsorship.id, webhook).await?;
    }
    begin_settlement(connection, &sponsorship).await?;
    let totals = counters::totals(connection, &sponsorship.id).await?;
    for limit in &limits {
        let totals = totals.of(&limit.counter)?;
        if let Err(excess) = limit.check(totals, sponsorship.max_cost) {
            return Ok(Changes::Undone(Reserved::OverLimit(excess)));
        }
    }
    Ok(match usage::overspent(connection, &sponsorship).await? {
        Some(overspent) => Changes::Undone(Reserved::Overspent(overspent)),
        None => Changes::Kept(Reserved::Recorded),
    })
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

async fn insert(
    connection: &mut SqliteConnection,
    sponsorship: &NewSponsorship,
    counters: String,
    usage: String,
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
        .bind(usage)
        .bind(sponsorship.price.map(i64::try_from).transpose().map_err(encode)?)
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
    let owner = keys::use_of(connection, &sponsorship.key_space(), key).await?;
    Ok(match owner {
        Some(KeyUse { intent, is_mined }) if intent != sponsorship.intent => Reserved::KeyTaken { is_mined },
        _ => Reserved::AlreadyRecorded,
    })
}
