//! The embedded store: one SQLite file, write-ahead log, every commit on the disk before it counts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use breaker::OutageLog;
use futures_util::FutureExt;
use private_files::{Database, InPlace};
use proto::{Address, Hash, IntentHash, Terms};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Sqlite, SqlitePool};

use super::rows::{COLUMNS, fixed, format_signed, record, signed, unsigned};
use super::{
    BlocksRead, Changes, Contracts, Gwei, KeySpace, KeyUse, NewSponsorship, Principal, Record, Reserved, Settled,
    Signed, SponsorshipId, Store, StoreError, Writer, counters, known_blocks, reserve, rows, settle,
};
use crate::budget::{Limits, Scope};
use crate::catalogue::Deployment;

const BUSY: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

pub(super) const BEGIN_SIGNING: &str = "
    UPDATE sponsorships SET signings = signings + 1
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND signings < ?2";
pub(super) const RENEW: &str = "
    UPDATE sponsorships SET signings = signings + 1, valid_after = ?3, valid_until = ?4
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND signings < ?2 AND valid_until < ?4";
pub(super) const RECORD_SIGNED: &str = "
    UPDATE sponsorships SET state = 'signed', user_signature_hash = ?2, user_op_hash = ?3, result = ?4
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND valid_after = ?5 AND valid_until = ?6";
pub(super) const RELEASE: &str = "
    UPDATE sponsorships SET state = 'released' WHERE id = ?1 AND state = 'reserved' AND signings <= 1";
pub(super) const TAKE_BACK_SIGNING: &str = "
    UPDATE sponsorships SET signings = signings - 1
    WHERE id = ?1 AND state IN ('reserved', 'signed') AND signings > 1";
pub(super) const RELEASE_EXPIRED: &str = "
    UPDATE sponsorships SET state = 'released'
    WHERE state IN ('reserved', 'signed') AND valid_until < ?1 AND settled_block IS NULL
        AND entry_point = ?2 AND paymaster = ?3";
pub(super) const NEXT_BLOCKS: &str = "SELECT entry_point, paymaster, next_block FROM settlement_cursors";
pub(super) const RESERVED: &str = "
    SELECT gwei FROM open_reservations
    WHERE entry_point = ?1 AND paymaster = ?2 AND scope = ?3 AND subject = ''";
pub(super) const NEXT_BLOCK: &str = "
    SELECT next_block FROM settlement_cursors WHERE entry_point = ?1 AND paymaster = ?2";

/// The principal's newest sponsorship of an intent that may be mined, or whose window is not over.
pub(super) fn find_by_intent() -> String {
    format!(
        "SELECT {COLUMNS} FROM sponsorships
         WHERE intent_hash = ?1 AND principal = ?2
             AND (state IN ('reserved', 'signed') AND settled_block IS NULL
                 OR state IN ('reserved', 'signed', 'settled') AND valid_until >= ?3)
         ORDER BY created_at DESC, rowid DESC LIMIT 1"
    )
}

const NOTE_CHAIN: &str = "INSERT INTO chain (only, id) VALUES (1, ?1) ON CONFLICT DO NOTHING";
const CHAIN: &str = "SELECT id FROM chain";

fn is_of(noted: String, chain_id: u64) -> Result<(), StoreError> {
    if noted == chain_id.to_string() {
        return Ok(());
    }
    let problem = format!("it belongs to chain {noted}, not {chain_id}: name another file for each chain");
    Err(StoreError::new(problem))
}

/// Sponsorships in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: Arc<Writer>,
    /// One connection: SQLite has one writer at a time, and waiting in line here is fair where its own retries are not.
    writing: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it when it is not there, brings its tables up to date, and holds its counters against its
    /// rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        private_files::prepare_database(file).map_err(StoreError::new)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let pool = |connections: u32| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(BUSY);
        let writing = pool(1).connect_with(options.clone()).await.map_err(StoreError::new)?;
        sqlx::migrate!().run(&writing).await.map_err(StoreError::new)?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(StoreError::new)?;
        let file = InPlace::note(file).map_err(StoreError::new)?;
        let store = Self { writer: Arc::new(Writer::start(writing.clone(), file)), writing, readers };
        store.reconcile().await?;
        Ok(store)
    }

    /// Notes the chain that this database belongs to, once; rows have no chain id, and settlement cursors of one chain mean
    /// nothing on another.
    ///
    /// # Errors
    /// [`StoreError`] when it belongs to another chain.
    pub async fn belongs_to(&self, chain_id: u64) -> Result<(), StoreError> {
        self.change(sqlx::query(NOTE_CHAIN).bind(chain_id.to_string())).await?;
        let noted = sqlx::query_scalar(CHAIN).fetch_one(&self.readers).await.map_err(StoreError::new)?;
        is_of(noted, chain_id)
    }

    /// Looks whether a file can be opened, written and migrated, and changes nothing; how many migrations are due. `None` when
    /// there is no such file, and one can be made.
    ///
    /// # Errors
    /// [`StoreError`] when it can't be written, is no database of ours, of another chain, or of a later version.
    pub async fn look_at(file: &Path, chain_id: u64) -> Result<Option<usize>, StoreError> {
        let is_closed = match private_files::check_database(file).map_err(StoreError::new)? {
            Database::Missing => return Ok(None),
            Database::Closed => true,
            Database::InUse => false,
        };
        // SQLite makes a log to read by, unless it is told that the file does not change.
        let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(is_closed);
        let mut connection = options.connect().await.map_err(StoreError::new)?;
        let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations")
            .fetch_all(&mut connection)
            .await
            .map_err(|error| StoreError::new(format!("not a database of super-relay: {error}")))?;
        let ours = sqlx::migrate!();
        for (version, checksum) in &applied {
            match ours.iter().find(|migration| migration.version == *version) {
                Some(migration) if migration.checksum.as_ref() == checksum.as_slice() => {}
                Some(_) => return Err(StoreError::new(format!("migration {version} is not the one of this version"))),
                None => return Err(StoreError::new("it was migrated by a later version of super-relay")),
            }
        }
        let due = ours.iter().count() - applied.len();
        if due == 0 {
            let noted = sqlx::query_scalar(CHAIN).fetch_optional(&mut connection).await.map_err(StoreError::new)?;
            noted.map_or(Ok(()), |noted| is_of(noted, chain_id))?;
        }
        Ok(Some(due))
    }

    /// The connection that writes.
    #[must_use]
    pub fn pool(&self) -> SqlitePool {
        self.writing.clone()
    }

    /// The queue of the connection that writes, for [`crate::nonce::SqliteNonces`], which keeps its claims in the same
    /// file.
    pub(crate) fn writer(&self) -> Arc<Writer> {
        Arc::clone(&self.writer)
    }

    /// Finishes what is running and closes the file.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        self.writing.close().await;
    }

    async fn reconcile(&self) -> Result<(), StoreError> {
        let differences = self
            .writer
            .write(|connection| async move { counters::reconcile(connection).await.map(Changes::Kept) }.boxed())
            .await?;
        if differences > 0 {
            tracing::warn!(
                differences,
                "counters of open reservations differed from their rows and were counted again"
            );
        }
        Ok(())
    }

    /// Runs one statement in the writer's transaction; how many rows it changed.
    async fn change(&self, statement: Query<'static, Sqlite, SqliteArguments>) -> Result<u64, StoreError> {
        self.writer
            .write(move |connection| {
                async move {
                    let done = statement.execute(connection).await.map_err(StoreError::new)?;
                    Ok(Changes::Kept(done.rows_affected()))
                }
                .boxed()
            })
            .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn outages(&self) -> &OutageLog {
        self.writer.outages()
    }

    async fn reserve(&self, sponsorship: &NewSponsorship, limits: &Limits) -> Result<Reserved, StoreError> {
        let (sponsorship, limits) = (sponsorship.clone(), *limits);
        self.writer.write(move |connection| reserve::reserve(connection, sponsorship, limits).boxed()).await
    }

    async fn would_reserve(&self, sponsorship: &NewSponsorship, limits: &Limits) -> Result<Reserved, StoreError> {
        let (sponsorship, limits) = (sponsorship.clone(), *limits);
        self.writer
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
        let row = sqlx::query(AssertSqlSafe(find_by_intent()))
            .bind(&intent.0[..])
            .bind(principal.to_string())
            .bind(signed(now)?)
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::new)?;
        row.as_ref().map(record).transpose()
    }

    async fn use_of_key(&self, space: &KeySpace, key: &str) -> Result<Option<KeyUse>, StoreError> {
        reserve::use_of_key(&self.readers, space, key).await
    }

    async fn begin_signing(&self, id: &SponsorshipId, most: u32) -> Result<bool, StoreError> {
        let statement = sqlx::query(BEGIN_SIGNING).bind(id.as_str()).bind(most);
        Ok(self.change(statement).await? == 1)
    }

    async fn renew(&self, id: &SponsorshipId, terms: &Terms, most: u32) -> Result<bool, StoreError> {
        let statement = sqlx::query(RENEW)
            .bind(id.as_str())
            .bind(most)
            .bind(signed(terms.valid_after)?)
            .bind(signed(terms.valid_until)?);
        Ok(self.change(statement).await? == 1)
    }

    async fn record_signed(&self, id: &SponsorshipId, terms: &Terms, signed: &Signed) -> Result<bool, StoreError> {
        let statement = sqlx::query(RECORD_SIGNED)
            .bind(id.as_str())
            .bind(&signed.user_signature_hash.0[..])
            .bind(&signed.user_op_hash.0[..])
            .bind(format_signed(signed, terms)?)
            .bind(rows::signed(terms.valid_after)?)
            .bind(rows::signed(terms.valid_until)?);
        Ok(self.change(statement).await? == 1)
    }

    async fn release(&self, id: &SponsorshipId) -> Result<bool, StoreError> {
        let release = sqlx::query(RELEASE).bind(id.as_str());
        if self.change(release).await? == 1 {
            return Ok(true);
        }
        let take_back = sqlx::query(TAKE_BACK_SIGNING).bind(id.as_str());
        self.change(take_back).await?;
        Ok(false)
    }

    async fn release_expired(&self, contracts: Contracts, ended_before: u64) -> Result<u64, StoreError> {
        let Contracts { entry_point, paymaster } = contracts;
        let statement = sqlx::query(RELEASE_EXPIRED).bind(signed(ended_before)?);
        self.change(statement.bind(entry_point.0.to_vec()).bind(paymaster.0.to_vec())).await
    }

    async fn next_blocks(&self) -> Result<Vec<(Contracts, u64)>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> =
            sqlx::query_as(NEXT_BLOCKS).fetch_all(&self.readers).await.map_err(StoreError::new)?;
        let cursor = |(entry_point, paymaster, next): (Vec<u8>, Vec<u8>, i64)| {
            let (entry_point, paymaster) = (Address(fixed(&entry_point)?), Address(fixed(&paymaster)?));
            Ok((Contracts { entry_point, paymaster }, unsigned(next)?))
        };
        rows.into_iter().map(cursor).collect()
    }

    async fn reserved(&self, deployment: &Deployment) -> Result<Gwei, StoreError> {
        let count: Option<i64> = sqlx::query_scalar(RESERVED)
            .bind(&deployment.entry_point.address.0[..])
            .bind(&deployment.paymaster.0[..])
            .bind(Scope::Deployment.name())
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::new)?;
        count.map_or(Ok(Gwei::default()), counters::gwei)
    }

    async fn settle(&self, deployment: &Deployment, read: &BlocksRead) -> Result<Settled, StoreError> {
        settle::settle(&self.writer, deployment, read).await
    }

    async fn next_block(&self, deployment: &Deployment) -> Result<Option<u64>, StoreError> {
        let block: Option<i64> = sqlx::query_scalar(NEXT_BLOCK)
            .bind(&deployment.entry_point.address.0[..])
            .bind(&deployment.paymaster.0[..])
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::new)?;
        block.map(unsigned).transpose()
    }

    async fn highest_block(&self) -> Result<Option<u64>, StoreError> {
        known_blocks::highest(&self.readers).await
    }

    async fn known_blocks(&self) -> Result<Vec<(u64, Hash)>, StoreError> {
        known_blocks::known(&self.readers).await
    }

    async fn note_known_block(&self, number: u64, hash: Hash) -> Result<(), StoreError> {
        let statement = sqlx::query(known_blocks::NOTE).bind(signed(number)?).bind(hash.0.to_vec());
        self.change(statement).await.map(drop)
    }

    async fn forget_known_blocks(&self, numbers: Vec<u64>) -> Result<(), StoreError> {
        self.writer.write(move |connection| known_blocks::forget(connection, numbers).boxed()).await
    }

    async fn read_again_from(&self, block: u64, anchor: Option<u64>) -> Result<(), StoreError> {
        self.writer.write(move |connection| known_blocks::read_again(connection, block, anchor).boxed()).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.writer.probe().await
    }
}
