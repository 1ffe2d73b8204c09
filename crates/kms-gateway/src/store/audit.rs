//! The audit: one row per decision, each containing the hash of the previous one.

use async_trait::async_trait;
use proto::command::Opcode;
use proto::{AccountId, Address, Hash, UserOpHash};
use thiserror::Error;

use super::{Claim, NonceClaim, StoreError};

/// The subject of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A paymaster's signature.
    Sponsor,
    /// An account's signature over an operation as given.
    SignUserOperation,
    /// An account's signature over a message.
    SignMessage,
    /// A passkey registration.
    RegisterPasskey,
    /// A new account.
    CreateAccount,
    /// A signed command.
    Command(Opcode),
    /// No request: the TEE's admin counter was found to differ from the audit.
    AdminCounter,
    /// The operator made this gateway forget the TEE that it had served.
    ForgetTee,
}

impl Action {
    /// Its name in the audit and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sponsor => "sponsor",
            Self::SignUserOperation => "sign_user_operation",
            Self::SignMessage => "sign_message",
            Self::RegisterPasskey => "register_passkey",
            Self::CreateAccount => "create_account",
            Self::Command(opcode) => opcode.name(),
            Self::AdminCounter => "admin_counter",
            Self::ForgetTee => "forget_tee",
        }
    }
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was carried out.
    Allowed,
    /// It was not carried out.
    Refused,
    /// The TEE was called and did not answer: it may have been carried out.
    Unknown,
    /// Not requested here; deduced from the TEE's admin counter.
    Observed,
}

impl Decision {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Observed => "observed",
        }
    }
}

/// Values of the TEE's admin counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// For a command: the counter it is signed for. For commands that took effect without a reply:
    /// the first one's. For a counter that decreased: its previous value.
    pub from: u64,
    /// The same for the end: the last one's, and the current value.
    pub to: u64,
}

/// A decision and its subject.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Unix seconds.
    pub at: u64,
    /// The id of the request.
    pub request_id: String,
    /// The requested action.
    pub action: Action,
    /// The account.
    pub account_id: Option<AccountId>,
    /// The relay key, or the key an admin command is about.
    pub signer: Option<Address>,
    /// The hash of the final operation if it was signed, otherwise of the operation as received.
    pub user_op_hash: Option<UserOpHash>,
    /// Keccak-256 of the caller's own data for the record (`businessValidation`). Of a message: the
    /// digest that is signed.
    pub context_hash: Option<Hash>,
    /// The counters, for an admin command.
    pub counters: Option<Counters>,
    /// Refusals of the same relay key since its last row that have no row.
    pub left_out: u64,
    /// The outcome.
    pub decision: Decision,
    /// `ok`, or the stable reason of the refusal.
    pub reason: &'static str,
}

/// The audit was changed, or cannot be read.
#[derive(Debug, Error)]
pub enum AuditError {
    /// This row was changed, or an earlier one was changed or removed.
    #[error("the audit is broken at row {seq}")]
    Broken {
        /// The first row that does not follow from the previous one.
        seq: i64,
    },
    /// The rows form a chain that a head which was noted before is no part of.
    #[error(
        "the audit's {rows} rows follow from each other, but none of them has the hash {noted}: since that head was \
         noted, rows were removed from the end or rewritten, or this is an older copy of the database"
    )]
    NotedHeadMissing {
        /// The noted head.
        noted: Hash,
        /// Number of rows.
        rows: i64,
    },
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The newest row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AuditHead {
    /// Number of rows.
    pub rows: i64,
    /// Hash of the newest row; zero if there is none.
    pub hash: Hash,
}

/// Decisions in the order in which they were recorded.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends a decision. It is durable when this returns. Concurrent decisions form one chain.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether the row exists. The chain is intact either way.
    async fn append_audit(&self, record: AuditRecord) -> Result<(), StoreError>;

    /// Claims a relay key's nonce as [`Nonces::claim_nonce`](super::Nonces::claim_nonce) does, and
    /// appends the decision if it is fresh, in one step.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether both happened or neither.
    async fn append_audit_with_nonce(&self, record: AuditRecord, claim: NonceClaim) -> Result<Claim, StoreError>;

    /// The TEE's admin counter according to the rows: the last one allowed or observed; 0 before
    /// the first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn audited_admin_counter(&self) -> Result<u64, StoreError>;

    /// The newest row.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn audit_head(&self) -> Result<AuditHead, StoreError>;

    /// Reads the whole audit and checks that every row follows from the previous one. Rows removed
    /// from the end can only be detected by comparing the head with one kept elsewhere.
    ///
    /// # Errors
    /// [`AuditError::Broken`] names the first row that does not follow.
    async fn verify_audit_chain(&self) -> Result<AuditHead, AuditError>;
}
