//! Refusals of the relay; `rpc/error` maps each error to its code.

mod operation;
mod request;

use std::error::Error as _;

use kms_api::{Reason, ReceivedReason};
use proto::json::LongExcerpt;
use proto::{AccountId, Address, Status, Wei};
use thiserror::Error;

pub use self::operation::OperationError;
pub use self::request::RequestError;

use crate::budget::{Bound, Scope};
use crate::bundler_refusal::BundlerRefusal;
use crate::chain::{ChainError, ClockError, PriceError};
use crate::claims::ClaimStoreError;
use crate::gwei::Gwei;
use crate::kms::KmsError;
use crate::policy::Violation;
use crate::ports::EntropyUnavailable;
use crate::spend::Overspent;
use crate::store::StoreError;

/// The codes of [`Status`] that concern a passkey's assertion.
const ABOUT_THE_PASSKEY: std::ops::RangeInclusive<u32> = 70..=89;

/// A refusal, or the failure of a dependency.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The request is invalid, or asks for something that is not offered.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The EntryPoint would refuse the operation, or its paymaster gas is not ours.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The operation is already sponsored under another policy.
    #[error("this operation is sponsored already under {}, not {asked:?}", match stored {
        Some(stored) => format!("policy {stored:?}"),
        None => "another policy".to_owned(),
    })]
    PolicyConflict {
        /// The policy of the sponsorship; `None` for callers that may not know it.
        stored: Option<String>,
        /// Whether it was mined, so that the operation cannot be sponsored again.
        is_mined: bool,
        /// The requested policy.
        asked: String,
    },
    /// The operation is already sponsored by a paymaster that is no longer configured.
    #[error(
        "this operation was sponsored by the paymaster {stored}, which this relay no longer uses: retry when its window is over"
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
        /// Whether the other one was mined: the key becomes free only if its block is reorganised
        /// away.
        is_mined: bool,
    },
    /// The operation is already sponsored under another idempotency key.
    #[error("this operation was sponsored under another idempotencyKey")]
    OtherIdempotencyKey {
        /// Whether it was mined, so that the operation cannot be sponsored again.
        is_mined: bool,
    },
    /// The operation violates a rule of the policy.
    #[error("policy {policy_id:?}: {violation}")]
    Policy {
        /// The policy.
        policy_id: String,
        /// The violated rule.
        violation: Violation,
    },
    /// The chain has had no block for so long that no window covers both the latest block and the
    /// next one.
    #[error(
        "the latest block is {seconds} s old: no window suits both that block, at which bundlers simulate, and the next one"
    )]
    ChainIdle {
        /// Age of the latest block.
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
    /// The account is in the TEE and cannot be named without its passkey.
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
    #[error("the TEE refused {limit} approvals of this account: retry later")]
    TooManyRefusals {
        /// Refusals within the validity of a sponsorship.
        limit: u32,
        /// Unix seconds; `None` for callers that may not know it.
        until: Option<u64>,
    },
    /// The sponsorship reached its limit on signings.
    #[error("this operation was signed {limit} times: retry when its window is over")]
    TooManySignings {
        /// Signings of one reservation.
        limit: u32,
    },
    /// The paymaster's deposit does not cover this operation and the existing reservations.
    #[error("the paymaster's deposit does not cover {cost}")]
    DepositTooLow {
        /// The operation's worst case.
        cost: Wei,
        /// The deposit in the EntryPoint.
        deposit: Wei,
        /// The amount reserved by sponsorships that may still be mined.
        reserved: Gwei,
    },
    /// A cap on open reservations would be exceeded.
    #[error("too much is reserved for {}: {limit}", scope.subject())]
    TooMuchReserved {
        /// The scope of the cap.
        scope: Scope,
        /// The setting.
        rule: &'static str,
        /// The limit.
        limit: Bound,
    },
    /// A limit of the policy on spending would be exceeded.
    #[error("policy {policy_id:?}: {overspent}")]
    PolicyLimitReached {
        /// The policy.
        policy_id: String,
        /// The limit.
        overspent: Overspent,
    },
    /// The paymaster's owner paused it: the chain would refuse the operation.
    #[error("the paymaster is paused")]
    PaymasterPaused,
    /// The paymaster contract does not admit the TEE's key: the chain would refuse the operation
    /// (AA34).
    #[error("the paymaster contract does not admit the key {signer}, which signs for it: its owner has to activate it")]
    PaymasterSignerNotAdmitted {
        /// The TEE's key.
        signer: Address,
    },
    /// The KMS or its trusted application refused.
    #[error("{message}")]
    KmsRefused {
        /// The stable reason.
        reason: ReceivedReason,
        /// For people.
        message: String,
        /// The ceiling that the request exceeds, if the relay knows it: wei or seconds.
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
    /// The KMS's answer does not match the request.
    #[error("the KMS's answer does not match the request")]
    KmsReplyInvalid {
        /// For the log.
        detail: &'static str,
    },
    /// The chain cannot answer now.
    #[error("the chain cannot answer now")]
    ChainUnavailable(#[source] ChainError),
    /// A limit in US dollars needs the price of the chain's coin, and there is none now.
    #[error("the price of the chain's coin is not known now, which a limit in US dollars needs")]
    PriceUnavailable(#[from] PriceError),
    /// A contract is not the configured one.
    #[error("a contract on chain is not the one that this relay is configured for")]
    ContractMismatch(#[source] ChainError),
    /// The chain has no bundler to which calls could be passed on.
    #[error(
        "this relay has no bundler{}: {}",
        chain_id.map(|chain_id| format!(" for chain {chain_id}")).unwrap_or_default(),
        if *for_gas { "give the operation all of its gas limits" } else { "send this call to a bundler's own URL" }
    )]
    BundlerNotConfigured {
        /// Whether it would only estimate the operation's gas.
        for_gas: bool,
        /// The chain, if there are several.
        chain_id: Option<u64>,
    },
    /// No bundler answered the call.
    #[error("{}", if *in_doubt {
        "the bundler did not answer, and may have taken the operation: ask for its receipt before you send another"
    } else {
        "no bundler answers now"
    })]
    BundlerUnavailable {
        /// For the log.
        detail: String,
        /// Whether a bundler may have taken the operation.
        in_doubt: bool,
    },
    /// The policy simulates operations, and the bundler refuses this one.
    #[error("policy {policy_id:?}: the bundler's simulation of the operation fails: {}", LongExcerpt(&refusal.message))]
    SimulationFailed {
        /// The policy.
        policy_id: String,
        /// The bundler's error.
        refusal: BundlerRefusal,
    },
    /// The policy's webhook denies the sponsorship.
    #[error("policy {policy_id:?}: the webhook denies the sponsorship{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    WebhookDenied {
        /// The policy.
        policy_id: String,
        /// The webhook's own reason, printable and short.
        reason: Option<String>,
    },
    /// The policy's webhook gives no valid answer.
    #[error("policy {policy_id:?}: the webhook does not answer now")]
    WebhookUnavailable {
        /// The policy.
        policy_id: String,
        /// For the log.
        detail: String,
        /// Whether it may have received the question.
        may_be_received: bool,
    },
    /// The store cannot answer now.
    #[error("the store cannot answer now")]
    StoreUnavailable(#[from] StoreError),
    /// The store of claims cannot answer now.
    #[error("the store of claims cannot answer now")]
    ClaimsUnavailable(#[from] ClaimStoreError),
    /// There is no randomness.
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
            Self::PolicyLimitReached { policy_id, overspent } => {
                Self::PolicyLimitReached { policy_id, overspent: overspent.before_proof() }
            }
            Self::PolicyConflict { is_mined, asked, .. } => Self::PolicyConflict { stored: None, is_mined, asked },
            Self::TooManyRefusals { limit, .. } => Self::TooManyRefusals { limit, until: None },
            Self::Policy { policy_id, violation } => Self::Policy { policy_id, violation: violation.alone() },
            other => other,
        }
    }

    /// The message with details that clients do not get, for the log and for operators.
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
            Self::KmsUnavailable { detail, .. }
            | Self::BundlerUnavailable { detail, .. }
            | Self::WebhookUnavailable { detail, .. } => format!("{self}: {detail}"),
            Self::KmsRefused { reason, .. } => format!("the KMS refuses: {self} ({reason})"),
            Self::KmsClockSkewed { detail } => format!("{self}: {detail}"),
            Self::KmsReplyInvalid { detail } => format!("{self}: {detail}"),
            _ => self.source().map_or_else(|| self.to_string(), |detail| format!("{self}: {detail}")),
        }
    }

    /// The trusted application's refusal of the passkey's approval, if that is what it refused.
    #[must_use]
    pub fn refusal_of_the_passkey(&self) -> Option<Status> {
        let Self::KmsRefused { reason, .. } = self else { return None };
        reason.status().filter(|status| ABOUT_THE_PASSKEY.contains(&status.code()))
    }

    /// Whether it is the trusted application's refusal with that status.
    #[must_use]
    pub fn is_kms_refusal(&self, status: Status) -> bool {
        matches!(self, Self::KmsRefused { reason, .. } if reason.status() == Some(status))
    }
}

impl From<KmsError> for RelayError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::Refused { reason, message } => match reason {
                // This concerns the relay's approval, not the request. The next approval has
                // another nonce.
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
