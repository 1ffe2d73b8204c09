//! The audit: one row for every decision, each holding the hash of the one before it.

use async_trait::async_trait;
use proto::command::Opcode;
use proto::{AccountId, Address, Hash, UserOpHash};
use thiserror::Error;

use super::StoreError;

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
    /// A signed command.
    Command(Opcode),
    /// Nothing: the TEE's admin counter was found elsewhere than the audit had left it.
    AdminCounter,
    /// The operator had this gateway forget the TEE that it had served.
    ForgetTee,
}

impl Action {
    /// As it is in the audit and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sponsor => "sponsor",
            Self::SignUserOperation => "sign_user_operation",
            Self::RegisterPasskey => "register_passkey",
            Self::CreateAccount => "create_account",
            Self::Command(opcode) => opcode.name(),
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
    pub(super) const fn as_str(self) -> &'static str {
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
    /// Of a command, the one it is signed for. Of commands that took effect without a reply, the
    /// first of theirs. Of a counter that went back, where it had been.
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

/// Decisions in the order in which they were recorded.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends a decision. It is durable when this returns. Those appended at once stand in one
    /// chain.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it stands there. The chain is whole all the same.
    async fn append_audit(&self, record: AuditRecord) -> Result<(), StoreError>;

    /// Where the rows leave the TEE's admin counter: the last of those that were allowed or
    /// observed; 0 before the first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn audited_admin_counter(&self) -> Result<u64, StoreError>;

    /// The newest row.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn audit_head(&self) -> Result<AuditHead, StoreError>;

    /// Reads the whole audit and checks that every row follows from the one before it. Rows cut off
    /// at the end are seen only by comparing the head with one kept elsewhere.
    ///
    /// # Errors
    /// [`AuditError::Broken`] names the first row that doesn't follow.
    async fn verify_audit_chain(&self) -> Result<AuditHead, AuditError>;
}
