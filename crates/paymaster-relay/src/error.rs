//! Why a request is refused, in the relay's own words; `rpc/error` turns each into a code.

use std::error::Error as _;

use proto::json::InvalidField;
use proto::{AccountId, Address, Status, Uint256, Wei};
use thiserror::Error;

use crate::budget::{Limit, Scope};
use crate::chain::ChainError;
use crate::kms::KmsError;
use crate::nonce::NonceStoreError;
use crate::policy::Violation;
use crate::ports::EntropyUnavailable;
use crate::store::{Gwei, StoreError};

/// The gateway's words about the relay's approval; the rest of what it refuses is about the request.
const NONCE_REPLAYED: &str = "nonce_replayed";
const TIMESTAMP_SKEWED: &str = "timestamp_skewed";

/// The codes of [`Status`] that are about a passkey's assertion.
const ABOUT_THE_PASSKEY: std::ops::RangeInclusive<u32> = 70..=89;

/// A refusal, or a part that cannot answer now.
#[derive(Debug, Error)]
pub enum RelayError {
    /// A parameter is not of its shape.
    #[error("{0}")]
    InvalidField(InvalidField),
    /// The request is for another chain.
    #[error("this relay serves chain {expected}, not {given}")]
    WrongChain {
        /// Ours.
        expected: u64,
        /// The request's.
        given: u128,
    },
    /// No deployment serves that EntryPoint.
    #[error("this EntryPoint is not supported; those that are: {}", supported.iter().map(Address::to_string).collect::<Vec<_>>().join(", "))]
    EntryPointNotSupported {
        /// Those that are.
        supported: Vec<Address>,
    },
    /// No policy has that name.
    #[error("there is no policy {policy_id:?}")]
    UnknownPolicy {
        /// The name.
        policy_id: String,
    },
    /// The caller's key may not choose that policy.
    #[error("the API key can't use policy {policy_id:?}; it can use: {}", allowed.join(", "))]
    PolicyNotAllowed {
        /// The name.
        policy_id: String,
        /// Those that it may choose.
        allowed: Vec<String>,
    },
    /// The operation is sponsored already, by another policy.
    #[error("this operation is sponsored already under {}, not {asked:?}", match stored {
        Some(stored) => format!("policy {stored:?}"),
        None => "another policy".to_owned(),
    })]
    PolicyConflict {
        /// The policy of the sponsorship; `None` for who may not know.
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
    /// The operation names a paymaster that isn't ours.
    #[error("the operation names a paymaster that is not ours, {ours}")]
    PaymasterNotOurs {
        /// Ours on that EntryPoint.
        ours: Address,
    },
    /// The operation reserves gas for a postOp, which our paymaster has none of.
    #[error("paymasterPostOpGasLimit must be 0x0: there is no postOp, and unused gas costs a penalty")]
    PostOpGasNotNeeded {
        /// Gas.
        given: u128,
    },
    /// The operation's paymaster gas is not within what we sign.
    #[error("paymasterVerificationGasLimit must be from {least} to {most}")]
    PaymasterGasOutOfRange {
        /// Gas.
        least: u128,
        /// Gas.
        most: u128,
        /// Gas.
        given: u128,
    },
    /// The window asked for is too short for a bundler.
    #[error("a sponsorship is valid for at least {least} seconds")]
    ValidityTooShort {
        /// Seconds.
        least: u64,
        /// Seconds.
        given: u64,
    },
    /// Invitations are not for everybody.
    #[error("invitations are given to a server's API key with the scope `invite` only: this request has none")]
    InvitationNotAllowed,
    /// The idempotency key belongs to another request.
    #[error("this idempotencyKey was used for another request")]
    IdempotencyConflict {
        /// Whether the other one was mined: the key gets free only if its block is reorganised away.
        is_mined: bool,
    },
    /// A rule of the policy does not hold.
    #[error("{violation}")]
    Policy {
        /// Which policy.
        policy_id: String,
        /// Which rule.
        violation: Violation,
    },
    /// No validation passes without gas.
    #[error("verificationGasLimit is 0x0: the account's validation needs gas")]
    VerificationGasMissing,
    /// Bundlers take no operation that pays less than the base fee.
    #[error("maxFeePerGas is {given} wei, below the base fee of the latest block, {least} wei")]
    FeeTooLow {
        /// Wei per gas. The base fee.
        least: u128,
        /// Wei per gas. The operation's.
        given: u128,
    },
    /// A factory that is called with nothing makes no account (AA13).
    #[error("factory {factory} has no factoryData (initCode ends after the factory): it would make no account")]
    FactoryDataMissing {
        /// The operation's.
        factory: Address,
    },
    /// The sender has no code, and no factory makes it (AA20).
    #[error("the sender {sender} has no code on chain, and the operation names no factory that makes it")]
    AccountNotDeployed {
        /// The operation's.
        sender: Address,
    },
    /// The sender has code, and up to v0.8 the EntryPoint takes no factory then (AA10).
    #[error("the sender {sender} is deployed already: leave factory and factoryData (initCode) out")]
    AccountAlreadyDeployed {
        /// The operation's.
        sender: Address,
    },
    /// The sender of an EIP-7702 operation is a contract: its authorisation has no effect.
    #[error("the sender {sender} is a contract, which can't delegate: leave factory 0x7702 and eip7702Auth out")]
    SenderCannotDelegate {
        /// The operation's.
        sender: Address,
    },
    /// The factory reverts, or has no code (AA13).
    #[error("the factory {factory} makes no account when it is called with this data")]
    AccountCreationFailed {
        /// The operation's.
        factory: Address,
    },
    /// The factory takes too long, or too many others are being run.
    #[error("the factory {factory} was not run in time: ask again later")]
    FactoryNotRun {
        /// The operation's.
        factory: Address,
    },
    /// The factory makes another account (AA14).
    #[error("the factory makes the account {created}, and the operation's sender is {sender}")]
    SenderNotFromFactory {
        /// The operation's.
        sender: Address,
        /// What the factory makes.
        created: Address,
    },
    /// The chain has had no block for so long that no window suits the latest block and the next one.
    #[error(
        "the latest block is {seconds} s old: no window suits both that block, at which bundlers simulate, and the next one"
    )]
    ChainIdle {
        /// Since the latest block.
        seconds: u64,
    },
    /// Blocks are later than the host's clock by more than any window spans.
    #[error("the latest block is {seconds} s ahead of this relay's clock: one of the two clocks is off")]
    ChainClockAhead {
        /// The difference.
        seconds: u64,
    },
    /// New blocks are old when they arrive, by more than any window spans.
    #[error("new blocks are {seconds} s behind this relay's clock: the clock is off, or the node is behind its chain")]
    ChainClockBehind {
        /// The difference.
        seconds: u64,
    },
    /// The KMS has another time than the relay.
    #[error("the clocks of this relay and its KMS differ by more than the KMS allows")]
    KmsClockSkewed {
        /// For the log.
        detail: String,
    },
    /// The passkey did not approve this operation for this account.
    #[error("{status}")]
    PasskeyRefused {
        /// Why, in the words of the trusted application.
        status: Status,
    },
    /// The account is one of the TEE's: nobody names it without its passkey.
    #[error("the account {account_id} is approved by its passkey: send passkey, or leave accountId out")]
    AccountNeedsPasskey {
        /// The account.
        account_id: AccountId,
    },
    /// The TEE does not let this relay sponsor without a passkey, though the policy would.
    #[error(
        "sponsoring without a passkey is not enabled: the relay's key lacks the TEE's permission sponsor_without_passkey"
    )]
    WithoutPasskeyNotPermitted,
    /// The trusted application refused the account's approvals too often.
    #[error("the TEE refused {limit} approvals of this account: ask again later")]
    TooManyRefusals {
        /// Refusals within the validity of a sponsorship.
        limit: u32,
        /// Unix seconds; `None` for who may not know.
        until: Option<u64>,
    },
    /// The sponsorship was signed as often as it may be.
    #[error("this operation was signed {limit} times: ask again when its window is over")]
    TooManySignings {
        /// Signings of one reservation.
        limit: u32,
    },
    /// The operation's nonce is not the account's next one.
    #[error("the operation's nonce is {given}, and the account's next one for that key is {expected}")]
    AccountNonceInvalid {
        /// What the EntryPoint expects.
        expected: Uint256,
        /// The operation's.
        given: Uint256,
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
        limit: Limit,
    },
    /// The paymaster's owner paused it: the chain would refuse the operation.
    #[error("the paymaster is paused")]
    PaymasterPaused,
    /// The paymaster contract does not admit the TEE's key: the chain would refuse the operation (AA34).
    #[error("the paymaster contract does not admit the key {signer}, which signs for it: its owner has to activate it")]
    PaymasterSignerNotAdmitted {
        /// The TEE's.
        signer: Address,
    },
    /// The KMS or its trusted application said no.
    #[error("{message}")]
    KmsRefused {
        /// Stable word.
        reason: String,
        /// For people.
        message: String,
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
    /// The claims of requests cannot be made now.
    #[error("requests cannot be claimed now")]
    ClaimsUnavailable(#[from] NonceStoreError),
    /// No randomness.
    #[error("the source of randomness failed")]
    EntropyUnavailable(#[from] EntropyUnavailable),
    /// The same request is being decided elsewhere.
    #[error("the same request is being decided")]
    InFlight,
}

impl From<ChainError> for RelayError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::FactoryNotRun { factory } => Self::FactoryNotRun { factory },
            error @ ChainError::Contract { .. } => Self::ContractMismatch(error),
            error => Self::ChainUnavailable(error),
        }
    }
}

impl From<InvalidField> for RelayError {
    fn from(field: InvalidField) -> Self {
        Self::InvalidField(field)
    }
}

impl RelayError {
    /// As it is told to who has not proven to be the account: the reason and the rule, but neither how the account was
    /// used nor how it stands.
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

    /// With what a client is not told: for the log, and for operators.
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
        Status::from_reason(reason).filter(|status| ABOUT_THE_PASSKEY.contains(&status.code()))
    }

    /// Whether it is the trusted application's refusal for that reason.
    #[must_use]
    pub fn is_kms_refusal(&self, status: Status) -> bool {
        matches!(self, Self::KmsRefused { reason, .. } if reason == status.reason())
    }
}

impl From<KmsError> for RelayError {
    fn from(error: KmsError) -> Self {
        match error {
            // The next approval has another nonce.
            KmsError::Refused { reason, message } if reason == NONCE_REPLAYED => {
                Self::KmsUnavailable { detail: message, in_doubt: false }
            }
            KmsError::Refused { reason, message } if reason == TIMESTAMP_SKEWED => {
                Self::KmsClockSkewed { detail: message }
            }
            KmsError::Refused { reason, message } => Self::KmsRefused { reason, message },
            KmsError::Unavailable { message, in_doubt } => Self::KmsUnavailable { detail: message, in_doubt },
        }
    }
}
