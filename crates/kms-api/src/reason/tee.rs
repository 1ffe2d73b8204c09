//! The HTTP status of each reason of the trusted application.

use proto::Status;

pub(super) const fn http_status(status: Status) -> u16 {
    match status {
        Status::WindowInvalid
        | Status::TermsInvalid
        | Status::CeilingsInvalid
        | Status::PermissionsMeaningless
        | Status::OperationInvalid
        | Status::PaymasterPresent
        | Status::PaymasterMissing
        | Status::MessageEmpty
        | Status::MessageIsHash
        | Status::AccountIdReserved
        | Status::PublicKeyInvalid => 400,

        Status::RelaySignatureInvalid
        | Status::PasskeyMissing
        | Status::CredentialUnknown
        | Status::ClientDataMalformed
        | Status::ClientDataTypeWrong
        | Status::ChallengeMismatch
        | Status::IntentNotListed
        | Status::ChallengeEncodingInvalid
        | Status::OriginNotAllowed
        | Status::CrossOrigin
        | Status::AuthenticatorDataMalformed
        | Status::RpIdMismatch
        | Status::UserNotPresent
        | Status::UserNotVerified
        | Status::BackupStateInvalid
        | Status::BackupEligibilityChanged
        | Status::PasskeySignatureInvalid
        | Status::PasskeySignatureMalformed
        | Status::SignCountDecreased
        | Status::SignCountRepeated => 401,

        Status::AdminSignatureInvalid
        | Status::TeeIdMismatch
        | Status::RotationProofInvalid
        | Status::SignerNotAuthorised
        | Status::PermissionMissing
        | Status::DeploymentNotAllowed
        | Status::DomainNotAllowed
        | Status::CostAboveCeiling
        | Status::AllowanceExhausted
        | Status::WindowTooWide => 403,

        Status::AccountUnknown => 404,

        Status::AlreadyProvisioned
        | Status::CounterMismatch
        | Status::StandbyKeyMismatch
        | Status::SignerRecordMismatch
        | Status::TooManyAccounts
        | Status::StorageFull
        | Status::SignerAlreadyAuthorised
        | Status::SignerReserved
        | Status::TooManySigners
        | Status::TooManyAllowances
        | Status::AccountExists
        | Status::CredentialConflict => 409,

        Status::TooLarge => 413,

        Status::NotProvisioned
        | Status::StorageFailed
        | Status::EntropyFailed
        | Status::CounterFailed
        | Status::AttestationFailed => 503,

        // The gateway and the trusted application disagree about the wire, or its records are
        // corrupt or outdated.
        Status::Ok
        | Status::UnsupportedVersion
        | Status::UnknownCommand
        | Status::Malformed
        | Status::NotBatchable
        | Status::StorageCorrupt
        | Status::RollbackDetected
        | Status::SigningFailed => 500,
    }
}
