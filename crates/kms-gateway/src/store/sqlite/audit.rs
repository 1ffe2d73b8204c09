//! The rows of the audit and their hashes.

use proto::Hash;
use proto::primitives::keccak256;
use sqlite_writer::Rollbacks;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::store::{AuditError, AuditHead, AuditRecord, Counters, StoreError};

const PAGE: i64 = 1000;

pub(super) async fn head(connection: &mut SqliteConnection) -> Result<AuditHead, StoreError> {
    let newest =
        sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(connection).await?;
    newest.map_or(Ok(AuditHead::default()), |row| {
        Ok(AuditHead { rows: row.try_get("seq")?, hash: hash_column(&row, "hash")? })
    })
}

/// A row's columns as stored, which is how they are hashed.
struct Columns {
    seq: i64,
    at: i64,
    /// request_id, action, account_id, signer, user_op_hash, context_hash, decision, reason.
    texts: [Option<String>; 8],
    /// counter_from, counter_to.
    counters: Option<[i64; 2]>,
    left_out: Option<i64>,
}

impl Columns {
    fn of(record: &AuditRecord, seq: i64) -> Self {
        Self {
            seq,
            at: record.at.cast_signed(),
            texts: [
                Some(record.request_id.clone()),
                Some(record.action.as_str().into()),
                record.account_id.as_ref().map(ToString::to_string),
                record.signer.as_ref().map(ToString::to_string),
                record.user_op_hash.as_ref().map(ToString::to_string),
                record.context_hash.as_ref().map(ToString::to_string),
                Some(record.decision.as_str().into()),
                Some(record.reason.into()),
            ],
            counters: record.counters.map(|Counters { from, to }| [from.cast_signed(), to.cast_signed()]),
            left_out: (record.left_out > 0).then_some(record.left_out.cast_signed()),
        }
    }

    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let mut texts = <[Option<String>; 8]>::default();
        for (index, text) in texts.iter_mut().enumerate() {
            *text = row.try_get(index + 2)?;
        }
        let counters: [Option<i64>; 2] = [row.try_get("counter_from")?, row.try_get("counter_to")?];
        let counters = match counters {
            [None, None] => None,
            [Some(from), Some(to)] => Some([from, to]),
            _ => return Err(sqlx::Error::ColumnDecode { index: "counter_to".into(), source: "one alone".into() }),
        };
        Ok(Self { seq: row.try_get(0)?, at: row.try_get(1)?, texts, counters, left_out: row.try_get("left_out")? })
    }

    /// keccak256(prev ‖ seq ‖ at ‖ for each text its presence, length and bytes ‖ the counters if
    /// present ‖ the number of suppressed refusals if not zero); integers big-endian, 8 bytes.
    /// There are always two counters, so the end is unambiguous.
    fn hash(&self, previous: &Hash) -> Hash {
        let mut bytes = previous.0.to_vec();
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.at.to_be_bytes());
        for text in &self.texts {
            bytes.push(u8::from(text.is_some()));
            let text = text.as_deref().unwrap_or_default();
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        for number in self.counters.iter().flatten().chain(&self.left_out) {
            bytes.extend(number.to_be_bytes());
        }
        keccak256(bytes)
    }
}

/// The end of the chain, after the last row appended here.
pub(super) struct Chain {
    rollbacks: Rollbacks,
    /// With the count of rollbacks at that time: a later rollback may have removed that row.
    last: Option<(u64, AuditHead)>,
}

impl Chain {
    pub(super) const fn new(rollbacks: Rollbacks) -> Self {
        Self { rollbacks, last: None }
    }

    pub(super) async fn append(
        &mut self,
        connection: &mut SqliteConnection,
        record: &AuditRecord,
    ) -> Result<(), StoreError> {
        let rollbacks = self.rollbacks.count();
        let head = match self.last {
            Some((then, head)) if then == rollbacks => head,
            Some(_) | None => head(connection).await?,
        };
        self.last = Some((rollbacks, append(connection, &head, record).await?));
        Ok(())
    }
}

/// Appends a row after `head` and returns the new head.
async fn append(
    connection: &mut SqliteConnection,
    head: &AuditHead,
    record: &AuditRecord,
) -> Result<AuditHead, StoreError> {
    let columns = Columns::of(record, head.rows + 1);
    let hash = columns.hash(&head.hash);
    let mut insert = sqlx::query(
        "INSERT INTO audit (seq, at, request_id, action, account_id, signer, user_op_hash, context_hash, decision,
                            reason, counter_from, counter_to, left_out, prev_hash, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(columns.seq)
    .bind(columns.at);
    for text in columns.texts {
        insert = insert.bind(text);
    }
    for index in 0..2 {
        insert = insert.bind(columns.counters.map(|counters| counters[index]));
    }
    insert.bind(columns.left_out).bind(head.hash.0.to_vec()).bind(hash.0.to_vec()).execute(connection).await?;
    Ok(AuditHead { rows: columns.seq, hash })
}

/// The TEE's admin counter according to the rows; 0 before the first.
pub(super) async fn admin_counter(pool: &SqlitePool) -> Result<u64, StoreError> {
    let counter: Option<i64> = sqlx::query_scalar(
        "SELECT counter_to FROM audit WHERE counter_to IS NOT NULL AND decision IN ('allowed', 'observed')
         ORDER BY seq DESC LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    Ok(counter.unwrap_or_default().cast_unsigned())
}

/// Follows the chain to its newest row. If a noted head is given, it must be the hash of a row, or
/// that of no rows.
pub(super) async fn verify(pool: &SqlitePool, noted: Option<Hash>) -> Result<AuditHead, AuditError> {
    let mut head = AuditHead::default();
    let mut is_found = noted.is_none_or(|noted| noted == head.hash);
    // Rows before the first are not ours.
    let mut next = i64::MIN;
    loop {
        let page = sqlx::query(
            "SELECT seq, at, request_id, action, account_id, signer, user_op_hash, context_hash, decision, reason,
                    counter_from, counter_to, left_out, prev_hash, hash
             FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
        )
        .bind(next)
        .bind(PAGE)
        .fetch_all(pool)
        .await
        .map_err(StoreError::from)?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            head = follow(row, &head)?;
            is_found |= noted == Some(head.hash);
        }
        next = head.rows + 1;
    }
    match noted {
        Some(noted) if !is_found => Err(AuditError::NotedHeadMissing { noted, rows: head.rows }),
        _ => Ok(head),
    }
}

fn follow(row: &SqliteRow, head: &AuditHead) -> Result<AuditHead, AuditError> {
    let seq = head.rows + 1;
    // A column of another type or length is a change like any other.
    let broken = |_| AuditError::Broken { seq };
    let columns = Columns::read(row).map_err(broken)?;
    let previous = hash_column(row, "prev_hash").map_err(broken)?;
    let hash = hash_column(row, "hash").map_err(broken)?;
    if columns.seq != seq || previous != head.hash || hash != columns.hash(&head.hash) {
        return Err(AuditError::Broken { seq });
    }
    Ok(AuditHead { rows: seq, hash })
}

fn hash_column(row: &SqliteRow, name: &str) -> Result<Hash, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(name)?;
    let hash = <[u8; 32]>::try_from(bytes)
        .map_err(|_| sqlx::Error::ColumnDecode { index: name.into(), source: "not 32 bytes".into() })?;
    Ok(Hash(hash))
}
