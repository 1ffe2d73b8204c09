//! The embedded store: one SQLite file, write-ahead log, every commit on the disk before it counts.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use proto::{AccountId, IntentHash, UserOpHash};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlitePool};

use super::rows::{COLUMNS, fixed, format_signed, record, signed, unsigned};
use super::{Gwei, NewSponsorship, Record, Reserved, Settlement, Signed, SponsorshipId, Store, StoreError};
use crate::catalogue::Deployment;

const BUSY: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// Seconds that a reservation outlives its window: the last block within it may not have reached us yet.
const SETTLING: u64 = 30;

/// Checks and inserts in one statement, so that no two requests are promised the same part of the deposit. The intent's
/// own reservation is left out of the sum: where there is one, the unique index says so.
const RESERVE: &str = "
    INSERT INTO sponsorships (id, intent_hash, account_id, idempotency_key, policy_id, entry_point, sender,
        account_nonce, paymaster, verification_gas_limit, valid_after, valid_until, max_cost_gwei, state, created_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'reserved', ?14
    WHERE (SELECT coalesce(sum(max_cost_gwei), 0) FROM sponsorships
           WHERE paymaster = ?9 AND entry_point = ?6 AND intent_hash <> ?2
               AND state IN ('reserved', 'signed') AND valid_until >= ?15)
        + ?13 <= ?16";

const RESERVED: &str = "
    SELECT coalesce(sum(max_cost_gwei), 0) FROM sponsorships
    WHERE paymaster = ?1 AND entry_point = ?2 AND state IN ('reserved', 'signed') AND valid_until >= ?3";

/// Sponsorships in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer at a time, and waiting in line here is fair where its own retries are not.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it when it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let pool = |connections: u32| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(BUSY);
        let writer = pool(1).connect_with(options.clone()).await.map_err(StoreError::new)?;
        sqlx::migrate!().run(&writer).await.map_err(StoreError::new)?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(StoreError::new)?;
        Ok(Self { writer, readers })
    }

    /// The connection that writes, for [`crate::nonce::SqliteNonces`], which keeps its claims in the same file.
    #[must_use]
    pub fn pool(&self) -> SqlitePool {
        self.writer.clone()
    }

    /// Finishes what is running and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A window that is over no longer keeps its intent from being sponsored anew.
    async fn release_expired_intent(&self, intent: &IntentHash, now: u64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE sponsorships SET state = 'released'
             WHERE intent_hash = ?1 AND state IN ('reserved', 'signed') AND valid_until < ?2",
        )
        .bind(&intent.0[..])
        .bind(signed(now)?)
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(StoreError::new)
    }

    async fn why_not(&self, sponsorship: &NewSponsorship) -> Result<Reserved, StoreError> {
        let Some(key) = &sponsorship.idempotency_key else {
            return Ok(Reserved::Already);
        };
        let owner = self.intent_of_key(&sponsorship.account_id, key).await?;
        Ok(match owner {
            Some(intent) if intent != sponsorship.intent => Reserved::KeyTaken,
            _ => Reserved::Already,
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn reserve(&self, sponsorship: &NewSponsorship, deposit: Gwei, now: u64) -> Result<Reserved, StoreError> {
        self.release_expired_intent(&sponsorship.intent, now).await?;
        let terms = &sponsorship.terms;
        let gas = u64::try_from(terms.verification_gas_limit).map_err(StoreError::new)?;
        let inserted = sqlx::query(RESERVE)
            .bind(sponsorship.id.as_str())
            .bind(&sponsorship.intent.0[..])
            .bind(sponsorship.account_id.as_str())
            .bind(sponsorship.idempotency_key.as_deref())
            .bind(sponsorship.policy_id.as_str())
            .bind(&sponsorship.deployment.entry_point.address.0[..])
            .bind(&sponsorship.sender.0[..])
            .bind(&sponsorship.account_nonce.0[..])
            .bind(&terms.paymaster.0[..])
            .bind(signed(gas)?)
            .bind(signed(terms.valid_after)?)
            .bind(signed(terms.valid_until)?)
            .bind(sponsorship.max_cost.count())
            .bind(signed(now)?)
            .bind(signed(now.saturating_sub(SETTLING))?)
            .bind(deposit.count())
            .execute(&self.writer)
            .await;
        match inserted {
            Ok(done) if done.rows_affected() == 1 => Ok(Reserved::Yes),
            Ok(_) => Ok(Reserved::DepositTooLow { reserved: self.reserved(&sponsorship.deployment, now).await? }),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => self.why_not(sponsorship).await,
            Err(error) => Err(StoreError::new(error)),
        }
    }

    async fn find(&self, intent: &IntentHash, now: u64) -> Result<Option<Record>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM sponsorships
             WHERE intent_hash = ?1 AND valid_until >= ?2 AND state IN ('reserved', 'signed', 'settled')
             ORDER BY created_at DESC, rowid DESC LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(query))
            .bind(&intent.0[..])
            .bind(signed(now)?)
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::new)?;
        row.as_ref().map(record).transpose()
    }

    async fn intent_of_key(&self, account_id: &AccountId, key: &str) -> Result<Option<IntentHash>, StoreError> {
        let intent: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT intent_hash FROM sponsorships
             WHERE account_id = ?1 AND idempotency_key = ?2 AND state <> 'released'",
        )
        .bind(account_id.as_str())
        .bind(key)
        .fetch_optional(&self.readers)
        .await
        .map_err(StoreError::new)?;
        intent.map(|bytes| fixed(&bytes).map(IntentHash)).transpose()
    }

    async fn record_signed(&self, id: &SponsorshipId, signed: &Signed) -> Result<bool, StoreError> {
        sqlx::query(
            "UPDATE sponsorships SET state = 'signed', user_signature_hash = ?2, user_op_hash = ?3, result = ?4
             WHERE id = ?1 AND state IN ('reserved', 'signed')",
        )
        .bind(id.as_str())
        .bind(&signed.user_signature_hash.0[..])
        .bind(&signed.user_op_hash.0[..])
        .bind(format_signed(signed)?)
        .execute(&self.writer)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(StoreError::new)
    }

    async fn release(&self, id: &SponsorshipId) -> Result<bool, StoreError> {
        sqlx::query("UPDATE sponsorships SET state = 'released' WHERE id = ?1 AND state = 'reserved'")
            .bind(id.as_str())
            .execute(&self.writer)
            .await
            .map(|done| done.rows_affected() == 1)
            .map_err(StoreError::new)
    }

    async fn release_expired(&self, now: u64) -> Result<u64, StoreError> {
        sqlx::query(
            "UPDATE sponsorships SET state = 'released'
             WHERE state IN ('reserved', 'signed') AND valid_until < ?1",
        )
        .bind(signed(now.saturating_sub(SETTLING))?)
        .execute(&self.writer)
        .await
        .map(|done| done.rows_affected())
        .map_err(StoreError::new)
    }

    async fn reserved(&self, deployment: &Deployment, now: u64) -> Result<Gwei, StoreError> {
        let count: i64 = sqlx::query_scalar(RESERVED)
            .bind(&deployment.paymaster.0[..])
            .bind(&deployment.entry_point.address.0[..])
            .bind(signed(now.saturating_sub(SETTLING))?)
            .fetch_one(&self.readers)
            .await
            .map_err(StoreError::new)?;
        Gwei::from_count(count).ok_or_else(|| StoreError::new("a negative sum"))
    }

    async fn settle(&self, hash: &UserOpHash, settlement: &Settlement) -> Result<bool, StoreError> {
        sqlx::query(
            // A key that was given back with its reservation may be another sponsorship's by now.
            "UPDATE sponsorships SET state = 'settled', settled_block = ?2, settled_cost_gwei = ?3, succeeded = ?4,
                 idempotency_key = CASE WHEN state = 'released' THEN NULL ELSE idempotency_key END
             WHERE user_op_hash = ?1",
        )
        .bind(&hash.0[..])
        .bind(signed(settlement.block)?)
        .bind(settlement.cost.count())
        .bind(settlement.succeeded)
        .execute(&self.writer)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(StoreError::new)
    }

    async fn next_block(&self, deployment: &Deployment) -> Result<Option<u64>, StoreError> {
        let block: Option<i64> =
            sqlx::query_scalar("SELECT next_block FROM settlement_cursors WHERE entry_point = ?1 AND paymaster = ?2")
                .bind(&deployment.entry_point.address.0[..])
                .bind(&deployment.paymaster.0[..])
                .fetch_optional(&self.readers)
                .await
                .map_err(StoreError::new)?;
        block.map(unsigned).transpose()
    }

    async fn set_next_block(&self, deployment: &Deployment, block: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO settlement_cursors (entry_point, paymaster, next_block) VALUES (?1, ?2, ?3)
             ON CONFLICT (entry_point, paymaster) DO UPDATE SET next_block = excluded.next_block",
        )
        .bind(&deployment.entry_point.address.0[..])
        .bind(&deployment.paymaster.0[..])
        .bind(signed(block)?)
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(StoreError::new)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE settlement_cursors SET next_block = next_block WHERE FALSE")
            .execute(&self.writer)
            .await
            .map(|_| ())
            .map_err(StoreError::new)
    }
}
