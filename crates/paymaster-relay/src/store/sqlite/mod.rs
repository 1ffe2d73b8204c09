//! Sponsorships in the embedded database.

mod booked;
mod counters;
mod expired;
mod forget;
mod keys;
mod known_blocks;
mod ledger;
mod outbox;
#[cfg(test)]
mod plans;
mod reserve;
mod rows;
mod settle;
mod usage;

use std::path::Path;

use async_trait::async_trait;
use breaker::OutageLog;
use futures_util::{FutureExt, TryFutureExt};
use proto::{Address, Hash, IntentHash, Terms, UserOpHash, Wei};
use sqlx::AssertSqlSafe;

use super::{
    BlocksRead, Booking, Contracts, Expired, KeyNoted, KeySpace, KeyUse, Ledger, LedgerQuery, NewSponsorship,
    Operation, Outcomes, Page, Principal, Reconciled, Record, Reserved, Settled, Settlement, Signed, SponsorshipId,
    Store, StoreError, UsageQuery, UsageRow,
};
use crate::budget::{Limit, Scope};
use crate::deployment::Deployment;
use crate::gwei::Gwei;
use crate::sqlite::{Changes, Database, fixed, signed as to_signed, unsigned};
use rows::{COLUMNS, format_signed, record};

const BEGIN_SIGNING: &str = "
    UPDATE sponsorships SET signings = signings + 1
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND signings < ?2";
const RENEW: &str = "
    UPDATE sponsorships SET signings = signings + 1, valid_after = ?3, valid_until = ?4
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND signings < ?2 AND valid_until < ?4";
const RECORD_SIGNED: &str = "
    UPDATE sponsorships SET state = 'signed', user_signature_hash = ?2, user_op_hash = ?3, result = ?4
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND valid_after = ?5 AND valid_until = ?6";
const RELEASE: &str = "
    UPDATE sponsorships SET state = 'released' WHERE id = ?1 AND state = 'reserved' AND signings <= 1";
const TAKE_BACK_SIGNING: &str = "
    UPDATE sponsorships SET signings = signings - 1
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND signings > 1";
const NEXT_BLOCKS: &str = "SELECT entry_point, paymaster, next_block FROM settlement_cursors WHERE chain_id = ?1";
const RESERVED: &str = "
    SELECT gwei FROM open_reservations
    WHERE chain_id = ?1 AND entry_point = ?2 AND paymaster = ?3 AND scope = ?4 AND subject = ''";
const NEXT_BLOCK: &str = "
    SELECT next_block FROM settlement_cursors WHERE chain_id = ?1 AND entry_point = ?2 AND paymaster = ?3";

/// The principal's newest sponsorship of an intent that may be mined, or whose window is not over.
fn find_by_intent() -> String {
    format!(
        "SELECT {COLUMNS} FROM sponsorships
         WHERE intent_hash = ?1 AND principal = ?2
             AND (state IN ('reserved', 'signed') AND settled_block IS NULL
                 OR state IN ('reserved', 'signed', 'settled') AND valid_until >= ?3)
         ORDER BY created_at DESC, rowid DESC LIMIT 1"
    )
}

/// Sponsorships in the embedded database.
#[derive(Clone, Debug)]
pub struct SqliteStore(Database);

impl SqliteStore {
    /// Opens the file, see [`Database::open`], and compares its counters with its rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let store = Self(Database::open(file).await?);
        store.reconcile().await?;
        Ok(store)
    }

    /// The database, which also holds API keys.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.0
    }

    async fn reconcile(&self) -> Result<(), StoreError> {
        let differences = self
            .0
            .writer()
            .write(|connection| async move { counters::reconcile(connection).await.map(Changes::Kept) }.boxed())
            .await?;
        let spent = self.0.writer().write(|connection| usage::reconcile(connection).boxed()).await?;
        if spent > 0 {
            tracing::warn!(
                spent,
                "counters of what policies spend differed from the open reservations and were recounted"
            );
        }
        if differences > 0 {
            tracing::warn!(differences, "counters of open reservations differed from their rows and were recounted");
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn outages(&self) -> &OutageLog {
        self.0.writer().outages()
    }

    async fn reserve(&self, sponsorship: &NewSponsorship, limits: &[Limit]) -> Result<Reserved, StoreError> {
        let (sponsorship, limits) = (sponsorship.clone(), limits.to_vec());
        self.0.writer().write(move |connection| reserve::reserve(connection, sponsorship, limits).boxed()).await
    }

    async fn would_reserve(&self, sponsorship: &NewSponsorship, limits: &[Limit]) -> Result<Reserved, StoreError> {
        let (sponsorship, limits) = (sponsorship.clone(), limits.to_vec());
        self.0
            .writer()
            .write(move |connection| {
                async move {
                    let (Changes::Kept(outcome) | Changes::Undone(outcome)) =
                        reserve::reserve(connection, sponsorship, limits).await?;
                    Ok(Changes::Undone(outcome))
                }
                .boxed()
            })
            .await
    }

    async fn find(&self, intent: &IntentHash, principal: &Principal, now: u64) -> Result<Option<Record>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(find_by_intent()))
            .bind(&intent.0[..])
            .bind(principal.to_string())
            .bind(to_signed(now)?);
        let row = self.0.read(|readers| query.fetch_optional(readers).map_err(StoreError::new)).await?;
        row.as_ref().map(record).transpose()
    }

    async fn use_of_key(&self, space: &KeySpace, key: &str) -> Result<Option<KeyUse>, StoreError> {
        self.0.read(|readers| keys::use_of(readers, space, key)).await
    }

    async fn note_key(&self, id: &SponsorshipId, key: &str) -> Result<KeyNoted, StoreError> {
        let (id, key) = (id.clone(), key.to_owned());
        self.0.writer().write(move |connection| keys::note(connection, id, key).boxed()).await
    }

    async fn begin_signing(&self, id: &SponsorshipId, most: u32) -> Result<bool, StoreError> {
        let statement = sqlx::query(BEGIN_SIGNING).bind(id.as_str()).bind(most);
        Ok(self.0.change(statement).await? == 1)
    }

    async fn renew(&self, id: &SponsorshipId, terms: &Terms, most: u32) -> Result<bool, StoreError> {
        let statement = sqlx::query(RENEW)
            .bind(id.as_str())
            .bind(most)
            .bind(to_signed(terms.valid_after)?)
            .bind(to_signed(terms.valid_until)?);
        Ok(self.0.change(statement).await? == 1)
    }

    async fn record_signed(&self, id: &SponsorshipId, terms: &Terms, signed: &Signed) -> Result<bool, StoreError> {
        let statement = sqlx::query(RECORD_SIGNED)
            .bind(id.as_str())
            .bind(&signed.user_signature_hash.0[..])
            .bind(&signed.user_op_hash.0[..])
            .bind(format_signed(signed, terms)?)
            .bind(to_signed(terms.valid_after)?)
            .bind(to_signed(terms.valid_until)?);
        Ok(self.0.change(statement).await? == 1)
    }

    async fn release(&self, id: &SponsorshipId) -> Result<bool, StoreError> {
        let release = sqlx::query(RELEASE).bind(id.as_str());
        if self.0.change(release).await? == 1 {
            return Ok(true);
        }
        let take_back = sqlx::query(TAKE_BACK_SIGNING).bind(id.as_str());
        self.0.change(take_back).await?;
        Ok(false)
    }

    async fn expired(&self, contracts: Contracts, ended_before: u64, most: u32) -> Result<Vec<Expired>, StoreError> {
        self.0.read(|readers| expired::list(readers, contracts, ended_before, most)).await
    }

    async fn release_expired(&self, ids: Vec<SponsorshipId>, ended_before: u64) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let ended_before = to_signed(ended_before)?;
        self.0.writer().write(move |connection| expired::release(connection, ids, ended_before).boxed()).await
    }

    async fn settle_unknown(
        &self,
        id: &SponsorshipId,
        ended_before: u64,
        block: u64,
        cost: Wei,
    ) -> Result<bool, StoreError> {
        let (cost, rounding) = Gwei::rounded_up(cost);
        let statement = sqlx::query(expired::SETTLE_UNKNOWN)
            .bind(id.as_str())
            .bind(to_signed(ended_before)?)
            .bind(to_signed(block)?)
            .bind(cost.count())
            .bind(rounding);
        Ok(self.0.change(statement).await? == 1)
    }

    async fn settle_missed(
        &self,
        id: &SponsorshipId,
        ended_before: u64,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let (cost, rounding) = Gwei::rounded_up(settlement.cost);
        let statement = sqlx::query(expired::SETTLE_MISSED)
            .bind(id.as_str())
            .bind(to_signed(ended_before)?)
            .bind(to_signed(settlement.block)?)
            .bind(cost.count())
            .bind(rounding)
            .bind(settlement.succeeded)
            .bind(settlement.transaction.0.to_vec())
            .bind(settle::gas(settlement));
        Ok(self.0.change(statement).await? == 1)
    }

    async fn close_final(&self, contracts: Contracts, last_final: u64) -> Result<(), StoreError> {
        let Contracts { chain_id, entry_point, paymaster } = contracts;
        let statement = sqlx::query(settle::CLOSE)
            .bind(to_signed(chain_id)?)
            .bind(to_signed(last_final)?)
            .bind(entry_point.0.to_vec())
            .bind(paymaster.0.to_vec());
        self.0.change(statement).await.map(drop)
    }

    async fn sponsorships_of(&self, hash: &UserOpHash) -> Result<Vec<(SponsorshipId, IntentHash)>, StoreError> {
        self.0.read(|readers| expired::of_operation(readers, hash)).await
    }

    async fn next_blocks(&self, chain_id: u64) -> Result<Vec<(Contracts, u64)>, StoreError> {
        let query = sqlx::query_as(NEXT_BLOCKS).bind(to_signed(chain_id)?);
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> =
            self.0.read(|readers| query.fetch_all(readers).map_err(StoreError::new)).await?;
        let cursor = |(entry_point, paymaster, next): (Vec<u8>, Vec<u8>, i64)| {
            let (entry_point, paymaster) = (Address(fixed(&entry_point)?), Address(fixed(&paymaster)?));
            Ok((Contracts { chain_id, entry_point, paymaster }, unsigned(next)?))
        };
        rows.into_iter().map(cursor).collect()
    }

    async fn reserved(&self, deployment: &Deployment) -> Result<Gwei, StoreError> {
        let query = sqlx::query_scalar(RESERVED)
            .bind(to_signed(deployment.entry_point.chain_id)?)
            .bind(&deployment.entry_point.address.0[..])
            .bind(&deployment.paymaster.0[..])
            .bind(Scope::Deployment.name());
        let count: Option<i64> = self.0.read(|readers| query.fetch_optional(readers).map_err(StoreError::new)).await?;
        count.map_or(Ok(Gwei::default()), counters::gwei)
    }

    async fn settle(&self, deployment: &Deployment, read: &BlocksRead) -> Result<Settled, StoreError> {
        settle::settle(self.0.writer(), deployment, read).await
    }

    async fn next_block(&self, deployment: &Deployment) -> Result<Option<u64>, StoreError> {
        let query = sqlx::query_scalar(NEXT_BLOCK)
            .bind(to_signed(deployment.entry_point.chain_id)?)
            .bind(&deployment.entry_point.address.0[..])
            .bind(&deployment.paymaster.0[..]);
        let block: Option<i64> = self.0.read(|readers| query.fetch_optional(readers).map_err(StoreError::new)).await?;
        block.map(unsigned).transpose()
    }

    async fn highest_block(&self, chain_id: u64) -> Result<Option<u64>, StoreError> {
        self.0.read(|readers| known_blocks::highest(readers, chain_id)).await
    }

    async fn known_blocks(&self, chain_id: u64) -> Result<Vec<(u64, Hash)>, StoreError> {
        self.0.read(|readers| known_blocks::known(readers, chain_id)).await
    }

    async fn note_known_block(&self, chain_id: u64, number: u64, hash: Hash) -> Result<(), StoreError> {
        let statement =
            sqlx::query(known_blocks::NOTE).bind(to_signed(chain_id)?).bind(to_signed(number)?).bind(hash.0.to_vec());
        self.0.change(statement).await.map(drop)
    }

    async fn forget_known_blocks(&self, chain_id: u64, numbers: Vec<u64>) -> Result<(), StoreError> {
        self.0.writer().write(move |connection| known_blocks::forget(connection, chain_id, numbers).boxed()).await
    }

    async fn read_again_from(&self, chain_id: u64, block: u64, anchor: Option<u64>) -> Result<(), StoreError> {
        self.0
            .writer()
            .write(move |connection| known_blocks::read_again(connection, chain_id, block, anchor).boxed())
            .await
    }

    async fn forget_windows(&self, ended_before: u64) -> Result<u64, StoreError> {
        self.0.change(sqlx::query(usage::FORGET).bind(to_signed(ended_before)?).bind(usage::AT_ONCE)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.0.probe().await
    }
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn page(&self, query: &LedgerQuery) -> Result<Page, StoreError> {
        self.0.read(|readers| ledger::page(readers, query)).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        self.0.read(|readers| ledger::usage(readers, query)).await
    }

    async fn forget(&self, chain_id: u64, before: u64, most: u32) -> Result<u64, StoreError> {
        let (chain_id, before) = (to_signed(chain_id)?, to_signed(before)?);
        self.0.writer().write(move |connection| forget::forget(connection, chain_id, before, most).boxed()).await
    }

    async fn spent_since(&self, contracts: Contracts, time: u64) -> Result<Gwei, StoreError> {
        self.0.read(|readers| booked::spent_since(readers, contracts, time)).await
    }

    async fn outcomes_since(&self, chain_id: u64, sender: Address, time: u64) -> Result<Outcomes, StoreError> {
        self.0.read(|readers| booked::outcomes_since(readers, chain_id, sender, time)).await
    }

    async fn booked_between(&self, contracts: Contracts, after: u64, last: u64) -> Result<Wei, StoreError> {
        self.0.read(|readers| booked::between(readers, contracts, after, last)).await
    }

    async fn booking(&self, contracts: Contracts, operation: &Operation) -> Result<Option<Booking>, StoreError> {
        self.0.read(|readers| booked::booking(readers, contracts, operation)).await
    }

    async fn reconciled(&self, contracts: Contracts) -> Result<Option<Reconciled>, StoreError> {
        self.0.read(|readers| booked::reconciled(readers, contracts)).await
    }

    async fn note_reconciled(&self, contracts: Contracts, reconciled: Reconciled) -> Result<(), StoreError> {
        let Contracts { chain_id, entry_point, paymaster } = contracts;
        let statement = sqlx::query(booked::NOTE_RECONCILED)
            .bind(to_signed(chain_id)?)
            .bind(entry_point.0.to_vec())
            .bind(paymaster.0.to_vec())
            .bind(to_signed(reconciled.block)?)
            .bind(reconciled.hash.0.to_vec())
            .bind(reconciled.deposit.map(|deposit| deposit.0.to_string()));
        self.0.change(statement).await.map(drop)
    }
}
