//! Status codes of the trusted application: one for each reason, stable on the wire.

use core::fmt;

macro_rules! statuses {
    ($($code:literal $name:ident $reason:literal $text:literal,)*) => {
        /// The first word of every reply.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Status {
            $(#[doc = $text] $name = $code,)*
        }

        impl Status {
            /// Every status, in the order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// The status with this number, if there is one.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The stable name of the status in errors, logs and audit rows.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)*
                }
            }

            /// The status with this reason, if there is one.
            #[must_use]
            pub fn from_reason(reason: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.reason() == reason)
            }
        }

        impl fmt::Display for Status {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

statuses! {
    0 Ok "ok" "done",

    1 UnsupportedVersion "unsupported_version" "the frame has an unsupported wire version",
    2 UnknownCommand "unknown_command" "no such command",
    3 Malformed "malformed" "the frame does not parse",
    4 TooLarge "too_large" "over a limit: 163840 bytes for a frame, 65536 for its reply, 32768 for the relying parties",
    5 NotBatchable "not_batchable" "the command is not allowed in a batch: send it alone",

    10 NotProvisioned "not_provisioned" "the trusted application is not provisioned yet",
    11 AlreadyProvisioned "already_provisioned" "the trusted application is provisioned already",

    20 AdminSignatureInvalid "admin_signature_invalid" "the admin's signature does not match",
    21 CounterMismatch "counter_mismatch" "the counter is not the next one",
    22 TeeIdMismatch "tee_id_mismatch" "the command is for another TEE",
    23 StandbyKeyMismatch "standby_key_mismatch" "the standby paymaster key has another address, or none was prepared",

    30 RelaySignatureInvalid "relay_signature_invalid" "the relay's signature does not parse",
    31 SignerNotAuthorised "signer_not_authorised" "the relay key is not authorised",
    32 PermissionMissing "permission_missing" "the relay key lacks the permission",
    33 SignerAlreadyAuthorised "signer_already_authorised" "the relay key is authorised already",
    34 TooManySigners "too_many_signers" "64 relay keys are authorised, and no more can be",
    35 PermissionsMeaningless "permissions_meaningless" "the permissions are empty or unknown",
    36 RotationProofInvalid "rotation_proof_invalid" "the rotation is not signed by both keys",
    37 SignerRecordMismatch "signer_record_mismatch" "no relay key has that record and that address",
    38 SignerReserved "signer_reserved" "a relay key is the zero address, the admin's or a paymaster key of this TEE",

    40 DeploymentNotAllowed "deployment_not_allowed" "chain, EntryPoint and paymaster are not within the ceilings",
    41 CostAboveCeiling "cost_above_ceiling" "the worst case costs more than the ceiling",
    42 WindowInvalid "window_invalid" "validAfter, the timestamp and validUntil are not in order",
    43 WindowTooWide "window_too_wide" "the window ends more than maxWindow after the timestamp, or is wider than maxWindow + 60 s",
    44 CeilingsInvalid "ceilings_invalid" "the ceilings are empty or contradict each other",
    45 TermsInvalid "terms_invalid" "the terms do not fit the EntryPoint version",
    46 AllowanceExhausted "allowance_exhausted" "the worst case costs more than remains of the deployment's allowance",
    47 TooManyAllowances "too_many_allowances" "128 deployments have had an allowance, and no more can",

    50 OperationInvalid "operation_invalid" "the operation does not fit its EntryPoint",
    51 PaymasterPresent "paymaster_present" "the operation to sponsor has a paymaster already",
    52 PaymasterMissing "paymaster_missing" "the operation to sign names no paymaster",
    53 MessageEmpty "message_empty" "the message to sign is empty",
    54 MessageIsHash "message_is_hash" "a message of 32 bytes is not signed: it could be an operation's hash",
    55 DomainNotAllowed "domain_not_allowed" "the domain of a message is an EntryPoint's, not that of an account's contract",

    60 AccountUnknown "account_unknown" "no such account",
    61 AccountExists "account_exists" "the account id is taken by another credential",
    62 CredentialConflict "credential_conflict" "the credential is registered with another key or account id",
    63 TooManyAccounts "too_many_accounts" "the ceiling on accounts is reached",
    64 AccountIdReserved "account_id_reserved" "an account id can't be an address or another credential's pk_ id",
    65 StorageFull "storage_full" "there is no room for the records of this account: another passkey or account id may have some",

    70 PasskeyMissing "passkey_missing" "no passkey assertion",
    71 CredentialUnknown "credential_unknown" "the credential is not the account's",
    72 ClientDataMalformed "client_data_malformed" "clientDataJSON does not parse",
    73 ClientDataTypeWrong "client_data_type_wrong" "clientDataJSON is of another type",
    74 ChallengeMismatch "challenge_mismatch" "the passkey approved something else",
    75 OriginNotAllowed "origin_not_allowed" "the origin is not allowed",
    76 CrossOrigin "cross_origin" "the ceremony ran in a cross-origin frame",
    77 AuthenticatorDataMalformed "authenticator_data_malformed" "authenticatorData does not parse for this ceremony",
    78 RpIdMismatch "rp_id_mismatch" "the passkey belongs to another relying party",
    79 UserNotPresent "user_not_present" "the user was not present",
    80 UserNotVerified "user_not_verified" "the user was not verified",
    81 BackupStateInvalid "backup_state_invalid" "the passkey is backed up but not eligible for backup",
    82 PasskeySignatureInvalid "passkey_signature_invalid" "the passkey's signature does not match",
    83 SignCountDecreased "sign_count_decreased" "the signature counter is below one accepted before: the approval is older than the last one, or the authenticator is cloned",
    84 PublicKeyInvalid "public_key_invalid" "the public key is not an ES256 key on the curve in canonical COSE",
    85 PasskeySignatureMalformed "passkey_signature_malformed" "the passkey's signature is not an ECDSA signature in DER",
    86 BackupEligibilityChanged "backup_eligibility_changed" "the passkey's backup eligibility differs from its registration",
    87 ChallengeEncodingInvalid "challenge_encoding_invalid" "clientDataJSON.challenge is not base64url without padding",
    88 SignCountRepeated "sign_count_repeated" "the signature counter did not advance with another challenge: the authenticator may be cloned",
    89 IntentNotListed "intent_not_listed" "the list of intents that the passkey approved does not contain this operation",

    90 StorageFailed "storage_failed" "the secure storage failed",
    91 StorageCorrupt "storage_corrupt" "a sealed record does not parse",
    92 EntropyFailed "entropy_failed" "the source of randomness failed",
    93 CounterFailed "counter_failed" "the monotonic counter failed",
    94 SigningFailed "signing_failed" "a signature could not be made",
    95 RollbackDetected "rollback_detected" "the secure storage is older than the monotonic counter",
    96 AttestationFailed "attestation_failed" "the platform could not attest",
}

impl Status {
    /// Whether the same request may succeed later without a change of a key, a permission or a
    /// ceiling. A failed admin command may have taken effect; its repetition is then refused with
    /// `CounterMismatch`.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        // The user may create the account.
        self.is_failure() || matches!(self, Self::AccountUnknown)
    }

    /// Whether the platform failed, so that no decision was made.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::StorageFailed | Self::EntropyFailed | Self::CounterFailed | Self::AttestationFailed)
    }
}

impl core::error::Error for Status {}
