//! The audit: one row for every decision, each holding the hash of the one before it.

use proto::primitives::keccak256;
use proto::{AccountId, Address, Hash, UserOpHash};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use thiserror::Error;

use super::StoreError;

const PAGE: i64 = 1000;

/// What was decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A paymaster's signature.
    Sponsor,
    /// An account's signature over an operation as given.
    SignUserOperation,
    /// A passkey registration.
    RegisterPasskey,
    /// A new account.
    CreateAccount,
    /// The first admin, relying parties and ceilings.
    Provision,
    /// A relay key admitted.
    AuthorizeSigner,
    /// A relay key turned away.
    RevokeSigner,
    /// A relay key replaced.
    RotateSigner,
    /// Other ceilings.
    SetCeilings,
    /// A standby for the paymaster key.
    PreparePaymasterKey,
    /// The standby in place of the paymaster key.
    RotatePaymasterKey,
    /// Nothing: the TEE's admin counter was found elsewhere than the audit had left it.
    AdminCounter,
    /// The operator had this gateway forget the TEE that it had served.
    ForgetTee,
}

impl Action {
    /// As it stands in the audit and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sponsor => "sponsor",
            Self::SignUserOperation => "sign_user_operation",
            Self::RegisterPasskey => "register_passkey",
            Self::CreateAccount => "create_account",
            Self::Provision => "provision",
            Self::AuthorizeSigner => "authorize_signer",
            Self::RevokeSigner => "revoke_signer",
            Self::RotateSigner => "rotate_signer",
            Self::SetCeilings => "set_ceilings",
            Self::PreparePaymasterKey => "prepare_paymaster_key",
            Self::RotatePaymasterKey => "rotate_paymaster_key",
            Self::AdminCounter => "admin_counter",
            Self::ForgetTee => "forget_tee",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was done.
    Allowed,
    /// It was not done.
    Refused,
    /// The TEE was asked and did not say: it may have been done.
    Unknown,
    /// Nobody asked here; the TEE's admin counter shows it.
    Observed,
}

impl Decision {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Observed => "observed",
        }
    }
}

/// Of the TEE's admin counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Of a command, the one it is signed for. Of commands that took effect unheard, the first of
    /// theirs. Of a counter that went back, where it had been.
    pub from: u64,
    /// The same, the last of theirs, and where it is.
    pub to: u64,
}

/// A decision and what it was about.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Unix seconds.
    pub at: u64,
    /// Of the request that asked for it.
    pub request_id: String,
    /// What was asked for.
    pub action: Action,
    /// Whose account.
    pub account_id: Option<AccountId>,
    /// The relay key, or the key an admin command is about.
    pub signer: Option<Address>,
    /// Of the final operation when it was signed, otherwise of the operation as it came.
    pub user_op_hash: Option<UserOpHash>,
    /// Keccak-256 of what the caller added for the record (`businessValidation`).
    pub context_hash: Option<Hash>,
    /// Of an admin command.
    pub counters: Option<Counters>,
    /// Refusals of the same relay key since its last row that have none.
    pub left_out: u64,
    /// What became of it.
    pub decision: Decision,
    /// `ok`, or the stable reason why not.
    pub reason: &'static str,
}

/// The audit is not as it was written, or can't be read.
#[derive(Debug, Error)]
pub enum AuditError {
    /// This row was changed, or one before it was changed or removed.
    #[error("the audit is broken at row {seq}")]
    Broken {
        /// The first row that doesn't follow from the one before it.
        seq: i64,
    },
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The newest row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AuditHead {
    /// Rows there are.
    pub rows: i64,
    /// Hash of the newest; zero when there is none.
    pub hash: Hash,
}

impl AuditHead {
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let newest =
            sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(connection).await?;
        newest
            .map_or(Ok(Self::default()), |row| Ok(Self { rows: row.try_get("seq")?, hash: hash_column(&row, "hash")? }))
    }
}

/// A row's columns as they are stored, which is how they are hashed.
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

    /// keccak256(prev ‖ seq ‖ at ‖ for each text its presence, length and bytes ‖ the counters
    /// where there are any ‖ how many were left out where there are any); integers big-endian, 8
    /// bytes. The counters are two, so the end is unambiguous.
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

/// Appends a row after `head` and gives the new head.
pub(super) async fn append(
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

/// Where the rows leave the TEE's admin counter; 0 before the first.
pub(super) async fn admin_counter(pool: &SqlitePool) -> Result<u64, StoreError> {
    let counter: Option<i64> = sqlx::query_scalar(
        "SELECT counter_to FROM audit WHERE counter_to IS NOT NULL AND decision IN ('allowed', 'observed')
         ORDER BY seq DESC LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    Ok(counter.unwrap_or_default().cast_unsigned())
}

pub(super) async fn verify(pool: &SqlitePool) -> Result<AuditHead, AuditError> {
    let mut head = AuditHead::default();
    loop {
        let page = sqlx::query(
            "SELECT seq, at, request_id, action, account_id, signer, user_op_hash, context_hash, decision, reason,
                    counter_from, counter_to, left_out, prev_hash, hash
             FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )
        .bind(head.rows)
        .bind(PAGE)
        .fetch_all(pool)
        .await
        .map_err(StoreError::from)?;
        if page.is_empty() {
            return Ok(head);
        }
        for row in &page {
            head = follow(row, &head)?;
        }
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
