//! Why the relay refuses a request; `rpc/error` gives each error its code.

mod operation;
mod request;

use std::error::Error as _;

use kms_api::{Reason, ReceivedReason};
use proto::{AccountId, Address, Status, Wei};
use thiserror::Error;

pub use self::operation::OperationError;
pub use self::request::RequestError;

use crate::budget::{Bound, Scope};
use crate::chain::{ChainError, ClockError};
use crate::claims::ClaimStoreError;
use crate::gwei::Gwei;
use crate::kms::KmsError;
use crate::policy::Violation;
use crate::ports::EntropyUnavailable;
use crate::store::StoreError;

/// The codes of [`Status`] that are about a passkey's assertion.
const ABOUT_THE_PASSKEY: std::ops::RangeInclusive<u32> = 70..=89;

/// A refusal, or a dependency that cannot answer now.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The request asks for what is not offered, or not in a way that can be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The EntryPoint would refuse the operation, or its paymaster gas is not ours.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The operation is sponsored already, by another policy.
    #[error("this operation is sponsored already under {}, not {asked:?}", match stored {
        Some(stored) => format!("policy {stored:?}"),
        None => "another policy".to_owned(),
    })]
    PolicyConflict {
        /// The policy of the sponsorship; `None` for callers who may not know it.
        stored: Option<String>,
        /// Whether it was mined, so that the operation can't be sponsored again.
        is_mined: bool,
        /// The request's.
        asked: String,
    },
    /// The operation is sponsored already, by a paymaster that the settings no longer name.
    #[error(
        "this operation was sponsored by the paymaster {stored}, which this relay no longer uses: ask again when its window is over"
    )]
    PaymasterReplaced {
        /// The paymaster of the sponsorship.
        stored: Address,
    },
    /// Invitations require a server's API key with their scope.
    #[error("an invitation requires a server's API key with the scope `invite`; this request has none")]
    InvitationNotAllowed,
    /// The idempotency key belongs to another request.
    #[error("this idempotencyKey was used for another request")]
    IdempotencyConflict {
        /// Whether the other one was mined: the key gets free only if its block is reorganised
        /// away.
        is_mined: bool,
    },
    /// A rule of the policy does not hold.
    #[error("policy {policy_id:?}: {violation}")]
    Policy {
        /// Which policy.
        policy_id: String,
        /// Which rule.
        violation: Violation,
    },
    /// The chain has had no block for so long that no window suits the latest block and the next
    /// one.
    #[error(
        "the latest block is {seconds} s old: no window suits both that block, at which bundlers simulate, and the next one"
    )]
    ChainIdle {
        /// Since the latest block.
        seconds: u64,
    },
    /// The clocks of host and chain are too far apart.
    #[error(transparent)]
    ChainClock(#[from] ClockError),
    /// The KMS's clock differs from the relay's.
    #[error("the clocks of this relay and its KMS differ by more than the KMS allows")]
    KmsClockSkewed {
        /// For the log.
        detail: String,
    },
    /// The passkey did not approve this operation for this account.
    #[error("{status}")]
    PasskeyRefused {
        /// The trusted application's status.
        status: Status,
    },
    /// The account is one of the TEE's: nobody names it without its passkey.
    #[error("the account {account_id} requires its passkey: send passkey, or leave accountId out")]
    AccountNeedsPasskey {
        /// The account.
        account_id: AccountId,
    },
    /// The policy allows sponsoring without a passkey, but the TEE does not permit it to this
    /// relay.
    #[error(
        "sponsoring without a passkey is not enabled: the relay's key lacks the TEE's permission sponsor_without_passkey"
    )]
    WithoutPasskeyNotPermitted,
    /// The trusted application refused the account's approvals too often.
    #[error("the TEE refused {limit} approvals of this account: ask again later")]
    TooManyRefusals {
        /// Refusals within the validity of a sponsorship.
        limit: u32,
        /// Unix seconds; `None` for callers who may not know it.
        until: Option<u64>,
    },
    /// The sponsorship was signed as often as it may be.
    #[error("this operation was signed {limit} times: ask again when its window is over")]
    TooManySignings {
        /// Signings of one reservation.
        limit: u32,
    },
    /// The paymaster's deposit does not cover this operation beside those that are reserved.
    #[error("the paymaster's deposit does not cover {cost}")]
    DepositTooLow {
        /// The operation's worst case.
        cost: Wei,
        /// In the EntryPoint.
        deposit: Wei,
        /// By sponsorships that may still be mined.
        reserved: Gwei,
    },
    /// A cap on open reservations would be exceeded.
    #[error("too much is reserved for {}: {limit}", scope.subject())]
    TooMuchReserved {
        /// Whose reservations.
        scope: Scope,
        /// The setting.
        rule: &'static str,
        /// What it allows.
        limit: Bound,
    },
    /// The paymaster's owner paused it: the chain would refuse the operation.
    #[error("the paymaster is paused")]
    PaymasterPaused,
    /// The paymaster contract does not admit the TEE's key: the chain would refuse the operation
    /// (AA34).
    #[error("the paymaster contract does not admit the key {signer}, which signs for it: its owner has to activate it")]
    PaymasterSignerNotAdmitted {
        /// The TEE's.
        signer: Address,
    },
    /// The KMS or its trusted application refused.
    #[error("{message}")]
    KmsRefused {
        /// Stable.
        reason: ReceivedReason,
        /// For people.
        message: String,
        /// The ceiling that the request is above, where the relay knows it: wei or seconds.
        limit: Option<u128>,
    },
    /// The KMS cannot answer now.
    #[error("the KMS cannot answer now")]
    KmsUnavailable {
        /// For the log.
        detail: String,
        /// Whether something may have been signed.
        in_doubt: bool,
    },
    /// The KMS answered something that does not match the request.
    #[error("the KMS answered something that does not match the request")]
    KmsReplyInvalid {
        /// For the log.
        detail: &'static str,
    },
    /// The chain cannot answer now.
    #[error("the chain cannot answer now")]
    ChainUnavailable(#[source] ChainError),
    /// A contract is not the one that the settings name.
    #[error("a contract on chain is not the one that this relay is set up for")]
    ContractMismatch(#[source] ChainError),
    /// The store cannot answer now.
    #[error("the store cannot answer now")]
    StoreUnavailable(#[from] StoreError),
    /// The store of claims cannot answer now.
    #[error("the store of claims cannot answer now")]
    ClaimsUnavailable(#[from] ClaimStoreError),
    /// No randomness.
    #[error("the source of randomness failed")]
    EntropyUnavailable(#[from] EntropyUnavailable),
    /// The same request is being processed.
    #[error("the same request is being processed")]
    InFlight,
}

impl From<ChainError> for RelayError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::FactoryNotRun { factory } => Self::Operation(OperationError::FactoryNotRun { factory }),
            error @ ChainError::Contract { .. } => Self::ContractMismatch(error),
            error => Self::ChainUnavailable(error),
        }
    }
}

impl RelayError {
    /// The error for a caller that has not proven to own the account: reason and rule, without the
    /// account's usage and standing.
    #[must_use]
    pub(crate) fn before_proof(self) -> Self {
        match self {
            Self::TooMuchReserved { scope: scope @ Scope::Account, rule, limit } => {
                Self::TooMuchReserved { scope, rule, limit: limit.alone() }
            }
            Self::PolicyConflict { is_mined, asked, .. } => Self::PolicyConflict { stored: None, is_mined, asked },
            Self::TooManyRefusals { limit, .. } => Self::TooManyRefusals { limit, until: None },
            Self::Policy { policy_id, violation } => Self::Policy { policy_id, violation: violation.alone() },
            other => other,
        }
    }

    /// With details that clients don't get, for the log and for operators.
    #[must_use]
    pub fn in_full(&self) -> String {
        match self {
            Self::ContractMismatch(error) => error.to_string(),
            Self::ChainIdle { .. } => {
                format!("{self}: the chain is idle, its node is behind, or this host's clock is ahead")
            }
            Self::DepositTooLow { deposit, reserved, .. } => {
                format!("{self}: the deposit is {deposit}, of which {reserved} are reserved")
            }
            Self::KmsUnavailable { detail, .. } => format!("{self}: {detail}"),
            Self::KmsRefused { reason, .. } => format!("the KMS refuses: {self} ({reason})"),
            Self::KmsClockSkewed { detail } => format!("{self}: {detail}"),
            Self::KmsReplyInvalid { detail } => format!("{self}: {detail}"),
            _ => self.source().map_or_else(|| self.to_string(), |detail| format!("{self}: {detail}")),
        }
    }

    /// Why the trusted application refused the passkey's approval, if that is what it refused.
    #[must_use]
    pub fn refusal_of_the_passkey(&self) -> Option<Status> {
        let Self::KmsRefused { reason, .. } = self else { return None };
        reason.status().filter(|status| ABOUT_THE_PASSKEY.contains(&status.code()))
    }

    /// Whether it is the trusted application's refusal for that reason.
    #[must_use]
    pub fn is_kms_refusal(&self, status: Status) -> bool {
        matches!(self, Self::KmsRefused { reason, .. } if reason.status() == Some(status))
    }
}

impl From<KmsError> for RelayError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::Refused { reason, message } => match reason {
                // About the relay's approval, not the request. The next approval has another nonce.
                ReceivedReason::Known(Reason::NonceReplayed) => {
                    Self::KmsUnavailable { detail: message, in_doubt: false }
                }
                ReceivedReason::Known(Reason::TimestampSkewed) => Self::KmsClockSkewed { detail: message },
                reason => Self::KmsRefused { reason, message, limit: None },
            },
            KmsError::Unavailable { message, in_doubt } => Self::KmsUnavailable { detail: message, in_doubt },
        }
    }
}
