//! The outbox in the embedded database: a trigger writes its rows.

use async_trait::async_trait;
use futures_util::{FutureExt, TryFutureExt};
use proto::{Address, Hash, IntentHash, Wei};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, query, query_as};

use super::SqliteStore;
use super::counters::gwei;
use crate::sqlite::{Changes, column, fixed, signed, unsigned};
use crate::store::{Contracts, Event, MinedAt, Outbox, Outcome, SponsorshipId, StoreError};

pub(super) const TELL: &str = "UPDATE sponsorships SET webhook = ?2 WHERE id = ?1";
pub(super) const TELL_NOBODY: &str =
    "UPDATE sponsorships SET webhook = NULL WHERE id = ?1 AND state = 'reserved' AND webhook IS NOT NULL";
pub(super) const DUE: &str = "
    SELECT events.outcome, events.begun_at, events.attempts, id, policy_id, chain_id, entry_point, paymaster, sender,
        account_id, intent_hash, max_cost_gwei, settled_block, settled_cost_gwei, succeeded, cost_rounding_wei,
        transaction_hash
    FROM webhook_events AS events JOIN sponsorships ON id = events.sponsorship_id
    WHERE events.webhook = ?1 AND events.due_at <= ?2
    ORDER BY events.due_at LIMIT ?3";
pub(super) const BEGIN: &str = "UPDATE webhook_events SET begun_at = ?2 WHERE webhook = ?1 AND begun_at = 0";
pub(super) const FORGET: &str = "DELETE FROM webhook_events WHERE sponsorship_id = ?1 AND outcome = ?2";
pub(super) const POSTPONE: &str = "
    UPDATE webhook_events SET attempts = attempts + 1, due_at = ?3 WHERE sponsorship_id = ?1 AND outcome = ?2";
pub(super) const DROP: &str = "DELETE FROM webhook_events WHERE webhook = ?1 AND begun_at BETWEEN 1 AND ?2 - 1";
pub(super) const HAS_OLD: &str =
    "SELECT begun_at FROM webhook_events WHERE webhook = ?1 AND begun_at BETWEEN 1 AND ?2 - 1 LIMIT 1";
pub(super) const WAITING: &str = "SELECT count(*), min(nullif(begun_at, 0)) FROM webhook_events WHERE webhook = ?1";

/// Notes the webhook of a reservation.
pub(super) async fn tell(
    connection: &mut SqliteConnection,
    id: &SponsorshipId,
    webhook: &str,
) -> Result<(), StoreError> {
    query(TELL).bind(id.as_str()).bind(webhook).execute(connection).await.map(drop).map_err(StoreError::new)
}

fn event(row: &SqliteRow) -> Result<Event, StoreError> {
    let outcome: String = column(row, "outcome")?;
    let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome);
    let outcome = outcome.ok_or_else(|| StoreError::new("an event of an unknown outcome"))?;
    let (block, cost): (Option<i64>, Option<i64>) = (column(row, "settled_block")?, column(row, "settled_cost_gwei")?);
    let mined = block.zip(cost).map(|(block, cost)| mined_at(row, block, cost)).transpose()?;
    let bytes = |name| column::<Vec<u8>>(row, name);
    Ok(Event {
        id: SponsorshipId(column(row, "id")?),
        outcome,
        begun_at: unsigned(column(row, "begun_at")?)?,
        attempts: column(row, "attempts")?,
        policy_id: column(row, "policy_id")?,
        contracts: Contracts {
            chain_id: unsigned(column(row, "chain_id")?)?,
            entry_point: Address(fixed(&bytes("entry_point")?)?),
            paymaster: Address(fixed(&bytes("paymaster")?)?),
        },
        sender: Address(fixed(&bytes("sender")?)?),
        account_id: column(row, "account_id")?,
        intent: IntentHash(fixed(&bytes("intent_hash")?)?),
        max_cost: gwei(column(row, "max_cost_gwei")?)?,
        mined,
    })
}

fn mined_at(row: &SqliteRow, block: i64, cost: i64) -> Result<MinedAt, StoreError> {
    let rounding: Option<i64> = column(row, "cost_rounding_wei")?;
    let rounding = rounding.map_or(Ok(0), unsigned)?;
    let transaction: Option<Vec<u8>> = column(row, "transaction_hash")?;
    Ok(MinedAt {
        block: unsigned(block)?,
        cost: Wei(gwei(cost)?.to_wei().0.saturating_sub(rounding.into())),
        transaction: transaction.map(|hash| fixed(&hash).map(Hash)).transpose()?,
        succeeded: column(row, "succeeded")?,
    })
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn tell_nobody(&self, id: &SponsorshipId) -> Result<(), StoreError> {
        self.database().change(query(TELL_NOBODY).bind(id.as_str().to_owned())).await.map(drop)
    }

    async fn due_events(&self, webhook: &str, now: u64, most: u32) -> Result<Vec<Event>, StoreError> {
        let due = query(DUE).bind(webhook).bind(signed(now)?).bind(most);
        let rows = self.database().read(|readers| due.fetch_all(readers).map_err(StoreError::new)).await?;
        let mut events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        if events.iter().any(|event| event.begun_at == 0) {
            self.database().change(query(BEGIN).bind(webhook.to_owned()).bind(signed(now)?)).await?;
            events.iter_mut().filter(|event| event.begun_at == 0).for_each(|event| event.begun_at = now);
        }
        Ok(events)
    }

    async fn forget_events(&self, delivered: Vec<(SponsorshipId, Outcome)>) -> Result<(), StoreError> {
        self.database().writer().write(move |connection| forget(connection, delivered).boxed()).await
    }

    async fn postpone_event(&self, id: &SponsorshipId, outcome: Outcome, due_at: u64) -> Result<(), StoreError> {
        let postpone = query(POSTPONE).bind(id.as_str().to_owned()).bind(outcome.as_str()).bind(signed(due_at)?);
        self.database().change(postpone).await.map(drop)
    }

    async fn drop_events(&self, webhook: &str, begun_before: u64) -> Result<u64, StoreError> {
        let before = signed(begun_before)?;
        let old = sqlx::query_scalar::<_, i64>(HAS_OLD).bind(webhook).bind(before);
        // A look costs no write.
        if self.database().read(|readers| old.fetch_optional(readers).map_err(StoreError::new)).await?.is_none() {
            return Ok(0);
        }
        self.database().change(query(DROP).bind(webhook.to_owned()).bind(before)).await
    }

    async fn waiting_events(&self, webhook: &str) -> Result<(u64, Option<u64>), StoreError> {
        let waiting = query_as(WAITING).bind(webhook);
        let (count, oldest): (i64, Option<i64>) =
            self.database().read(|readers| waiting.fetch_one(readers).map_err(StoreError::new)).await?;
        Ok((unsigned(count)?, oldest.map(unsigned).transpose()?))
    }
}

async fn forget(
    connection: &mut SqliteConnection,
    delivered: Vec<(SponsorshipId, Outcome)>,
) -> Result<Changes<()>, StoreError> {
    for (id, outcome) in delivered {
        let statement = query(FORGET).bind(id.as_str()).bind(outcome.as_str());
        statement.execute(&mut *connection).await.map_err(StoreError::new)?;
    }
    Ok(Changes::Kept(()))
}
