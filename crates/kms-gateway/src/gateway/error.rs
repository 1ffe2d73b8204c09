//! The gateway's refusals and failures. Each error has one reason of the API.

use std::time::Duration;

use kms_api::Reason;
use proto::Status;
use thiserror::Error;

use crate::ceremony::CeremonyError;
use crate::factory::FactoryError;
use crate::protection::InsufficientProtection;
use crate::store::StoreError;
use crate::tee::TeeError;
use crate::transport::{Busy, NotAdmitted, TeeStateLost};

/// A refusal or a failure. It never carries a signature.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// By the trusted application, or by the gateway with the same status before calling it.
    #[error("{0}")]
    Refused(Status),
    /// The request is too old, or from the future.
    #[error("the timestamp {timestamp} is more than {allowed} s away from {now}")]
    TimestampSkewed {
        /// Unix seconds, the request's.
        timestamp: u64,
        /// Unix seconds, the gateway's.
        now: u64,
        /// Seconds.
        allowed: u64,
    },
    /// The relay key used this nonce recently.
    #[error("the relay key has used this nonce already")]
    NonceReplayed,
    /// The signature was made by a key other than the one the caller names.
    #[error("the relay's signature is not by the key it names")]
    SignerMismatch,
    /// The public key that the caller names is not the passkey's.
    #[error("the public key is not the account's passkey")]
    PublicKeyMismatch,
    /// The registration was refused.
    #[error(transparent)]
    Registration(CeremonyError),
    /// Creating an account requires authorisation.
    #[error(
        "creating an account requires an API key of this KMS (Authorization: Bearer <key>, or x-api-key) or an `invitation` \
         by its relay (pm_createAccountInvitation)"
    )]
    CreationUnauthorised,
    /// The key is not in the settings.
    #[error("the API key is not one of this KMS")]
    ApiKeyUnknown,
    /// The invitation is for another TEE, or not by an authorised relay key.
    #[error("the invitation is not valid: {problem}")]
    InvitationInvalid {
        /// For people.
        problem: &'static str,
    },
    /// The invitation has expired.
    #[error("the invitation expired at {expires_at}; the time is {now} (Unix seconds)")]
    InvitationExpired {
        /// Unix seconds.
        expires_at: u64,
        /// Unix seconds, the gateway's.
        now: u64,
    },
    /// All accounts that the invitation allows were created.
    #[error("the invitation was used for as many passkeys as it allows: {max_uses}")]
    InvitationUsedUp {
        /// Accounts.
        max_uses: u32,
    },
    /// The authoriser has reached its limit of accounts for this hour.
    #[error(
        "the limit of {per_hour} accounts an hour (kms.accounts_per_hour) is reached; the next can be made in \
         {retry_after_seconds} s"
    )]
    CreationRationed {
        /// Accounts.
        per_hour: u32,
        /// At least 1.
        retry_after_seconds: u64,
    },
    /// The account has had as many messages signed as it may in this time. The TEE was not called.
    #[error("an account signs 20 messages, and then one in 6 s; the next can be in {retry_after_seconds} s")]
    MessageRationed {
        /// At least 1.
        retry_after_seconds: u64,
    },
    /// The account exists with another signature scheme than requested.
    #[error("the account exists with another signature scheme than requested")]
    SignatureSchemeConflict,
    /// The database cannot be written or read. A decision that cannot be recorded counts as a
    /// refusal.
    #[error("the gateway's database is not available")]
    StoreUnavailable,
    /// A probe write to the database failed, or its file is damaged.
    #[error("{problem}")]
    StoreFailing {
        /// The error, for the operator.
        problem: String,
    },
    /// A probe write to the database is taking long: another process may have locked it.
    #[error(
        "no write to the gateway's database has succeeded for {:.1} s: locked by another process, or slow",
        .time.as_secs_f64()
    )]
    StoreSilent {
        /// The time without a successful write, although one was queued.
        time: Duration,
    },
    /// By the trusted application, because of a ceiling that the gateway knows.
    #[error("{status}: {ceiling} is {limit}")]
    AboveCeiling {
        /// The refusal.
        status: Status,
        /// The name of the ceiling.
        ceiling: &'static str,
        /// With its unit.
        limit: String,
    },
    /// The queue to the TEE is full, or the TEE is stuck. The TEE was not called.
    #[error("the TEE is busy: {0}")]
    TeeBusy(Busy),
    /// The TEE is stuck or gone, and a request of this kind is already waiting for it. The TEE was
    /// not called.
    #[error("the TEE is busy: it has not answered the previous request")]
    TeeBusyBefore,
    /// Requests of this kind take turns, and this one waited too long. The TEE was not called.
    #[error("the TEE is busy: at most {limit} at a time, and this request waited {} s", .waited.as_secs())]
    TeeBusyInTurn {
        /// The limit, as text.
        limit: &'static str,
        /// How long this one waited.
        waited: Duration,
    },
    /// Another quote is in progress, was made recently, or is due for another client first. The TEE
    /// was not called.
    #[error("{problem}; try again in {retry_after_seconds} s")]
    AttestationTooSoon {
        /// For people.
        problem: &'static str,
        /// Seconds, at least 1.
        retry_after_seconds: u64,
    },
    /// The relay key was rotated recently. The TEE was not called.
    #[error(
        "a relay key is rotated once in {interval_seconds} s (kms.rotation_interval_seconds); the next rotation of this \
         one can be in {retry_after_seconds} s"
    )]
    RotationTooSoon {
        /// Seconds.
        interval_seconds: u64,
        /// At least 1.
        retry_after_seconds: u64,
    },
    /// The TEE does not answer.
    #[error("the TEE does not answer")]
    TeeUnavailable,
    /// The TEE's reply does not match the request, and is discarded.
    #[error("the TEE's reply does not match the request")]
    TeeReplyInvalid,
    /// The TEE reports less protection than the settings require. Nothing is signed with it.
    #[error(transparent)]
    TeeProtectionInsufficient(#[from] InsufficientProtection),
    /// The TEE differs from the one used before, or has lost its state. Nothing is sent to it.
    #[error(transparent)]
    TeeStateLost(#[from] TeeStateLost),
    /// The account factory did not answer. The account exists; a retry returns the rest.
    #[error("the account was created, but the account factory could not be asked for its address")]
    FactoryUnavailable,
    /// The gateway aborted the work.
    #[error("the gateway failed")]
    Internal,
}

impl GatewayError {
    /// The stable reason in answers, audit rows and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Refused(status)
            | Self::AboveCeiling { status, .. }
            | Self::Registration(CeremonyError::Refused(status)) => Reason::Tee(*status),
            Self::TimestampSkewed { .. } => Reason::TimestampSkewed,
            Self::NonceReplayed => Reason::NonceReplayed,
            Self::SignerMismatch => Reason::SignerMismatch,
            Self::PublicKeyMismatch => Reason::PublicKeyMismatch,
            Self::Registration(CeremonyError::Unknown) => Reason::RegistrationUnknown,
            Self::Registration(CeremonyError::NotVerified) => Reason::RegistrationNotVerified,
            Self::Registration(CeremonyError::InvalidField(_)) => Reason::InvalidField,
            Self::Registration(CeremonyError::Invalid { .. }) => Reason::RegistrationInvalid,
            Self::CreationUnauthorised => Reason::CreationUnauthorised,
            Self::ApiKeyUnknown => Reason::ApiKeyUnknown,
            Self::InvitationInvalid { .. } => Reason::InvitationInvalid,
            Self::InvitationExpired { .. } => Reason::InvitationExpired,
            Self::InvitationUsedUp { .. } => Reason::InvitationUsedUp,
            Self::CreationRationed { .. } => Reason::CreationRationed,
            Self::MessageRationed { .. } => Reason::MessageRationed,
            Self::SignatureSchemeConflict => Reason::SignatureSchemeConflict,
            Self::StoreUnavailable | Self::StoreFailing { .. } | Self::StoreSilent { .. } => Reason::StoreUnavailable,
            Self::TeeBusy(_) | Self::TeeBusyBefore | Self::TeeBusyInTurn { .. } => Reason::TeeBusy,
            Self::AttestationTooSoon { .. } => Reason::AttestationTooSoon,
            Self::RotationTooSoon { .. } => Reason::RotationTooSoon,
            Self::TeeUnavailable => Reason::TeeUnavailable,
            Self::TeeReplyInvalid => Reason::TeeReplyInvalid,
            Self::TeeProtectionInsufficient(_) => Reason::TeeProtectionInsufficient,
            Self::TeeStateLost(_) => Reason::TeeStateLost,
            Self::FactoryUnavailable => Reason::FactoryUnavailable,
            Self::Internal => Reason::InternalError,
        }
    }

    /// Whether the same request may succeed later without a change of a setting, a key or a
    /// permission.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            // A timestamp in the future becomes valid later.
            Self::TimestampSkewed { timestamp, now, .. } => *timestamp > *now,
            other => other.reason().is_retryable(),
        }
    }
}

impl From<Status> for GatewayError {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Failing { problem } => Self::StoreFailing { problem },
            StoreError::Silent { time } => Self::StoreSilent { time },
            // Logged before, once.
            StoreError::NotWritten | StoreError::Damaged => Self::StoreUnavailable,
            StoreError::Database(_) | StoreError::Migration(_) | StoreError::Unusable(_) | StoreError::InUse => {
                tracing::error!(%error, "the store failed");
                Self::StoreUnavailable
            }
        }
    }
}

impl From<TeeError> for GatewayError {
    fn from(error: TeeError) -> Self {
        match error {
            TeeError::Refused(status) => Self::Refused(status),
            TeeError::Busy(why) => Self::TeeBusy(why),
            TeeError::Unavailable | TeeError::NotAdmitted(NotAdmitted::Silent) => Self::TeeUnavailable,
            // A temporary status says nothing about the request, which was not sent.
            TeeError::NotAdmitted(NotAdmitted::Refused(status)) if status.is_failure() => Self::TeeUnavailable,
            TeeError::NotAdmitted(NotAdmitted::Refused(status)) => Self::Refused(status),
            TeeError::NotAdmitted(NotAdmitted::WireVersion { .. }) => Self::Refused(Status::UnsupportedVersion),
            TeeError::NotAdmitted(NotAdmitted::Protection(missing)) => Self::TeeProtectionInsufficient(missing),
            TeeError::NotAdmitted(NotAdmitted::StateLost(lost)) => Self::TeeStateLost(lost),
            TeeError::InvalidReply(detail) => {
                tracing::error!(%detail, "the TEE's reply does not parse");
                Self::TeeReplyInvalid
            }
        }
    }
}

impl From<CeremonyError> for GatewayError {
    fn from(error: CeremonyError) -> Self {
        Self::Registration(error)
    }
}

impl From<FactoryError> for GatewayError {
    fn from(error: FactoryError) -> Self {
        // The factory logs an outage once.
        tracing::debug!(%error, "the account factory failed");
        Self::FactoryUnavailable
    }
}
