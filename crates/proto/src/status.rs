//! How the trusted application answers: one code for each reason, stable on the wire.

use core::fmt;

macro_rules! statuses {
    ($($code:literal $name:ident $text:literal,)*) => {
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

            /// The status of a number, if it has one.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name, as logs and audit rows show it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
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
    0 Ok "done",

    1 UnsupportedVersion "the frame has another wire version",
    2 UnknownCommand "no such command",
    3 Malformed "the frame does not parse",
    4 TooLarge "the frame or its reply is over the limit",

    10 NotProvisioned "the trusted application is not provisioned yet",
    11 AlreadyProvisioned "the trusted application is provisioned already",

    20 AdminSignatureInvalid "the admin's signature does not match",
    21 CounterMismatch "the counter is not the next one",

    30 RelaySignatureInvalid "the relay's signature does not parse",
    31 SignerNotAuthorised "the relay key is not authorised",
    32 PermissionMissing "the relay key lacks the permission",
    33 SignerAlreadyAuthorised "the relay key is authorised already",
    34 TooManySigners "no more relay keys can be authorised",
    35 PermissionsMeaningless "the permissions are empty or unknown",
    36 RotationProofInvalid "the rotation is not signed by both keys",

    40 DeploymentNotAllowed "chain, EntryPoint and paymaster are not within the ceilings",
    41 CostAboveCeiling "the worst case costs more than the ceiling",
    42 WindowInvalid "validAfter, the timestamp and validUntil are not in order",
    43 WindowTooWide "the window is wider than the ceiling",
    44 CeilingsInvalid "the ceilings are empty or contradict each other",
    45 TermsInvalid "the terms do not fit the EntryPoint version",

    50 OperationInvalid "the operation does not fit its EntryPoint",
    51 PaymasterPresent "the operation to sponsor has a paymaster already",
    52 PaymasterMissing "the operation to sign names no paymaster",

    60 AccountUnknown "no such account",
    61 AccountExists "the account id is taken by another credential",
    62 CredentialConflict "the credential is known with another key or account id",

    70 PasskeyMissing "no passkey assertion",
    71 CredentialUnknown "the credential is not the account's",
    72 ClientDataMalformed "clientDataJSON does not parse",
    73 ClientDataTypeWrong "clientDataJSON is of another type",
    74 ChallengeMismatch "the passkey approved something else",
    75 OriginNotAllowed "the origin is not allowed",
    76 CrossOrigin "the ceremony ran in a cross-origin frame",
    77 AuthenticatorDataMalformed "authenticatorData does not parse",
    78 RpIdMismatch "the relying party is another",
    79 UserNotPresent "the user was not present",
    80 UserNotVerified "the user was not verified",
    81 BackupStateInvalid "backed up but not eligible for it",
    82 PasskeySignatureInvalid "the passkey's signature does not match",
    83 SignCountDecreased "the signature counter went back: the authenticator may be cloned",
    84 PublicKeyInvalid "the public key is not an ES256 key on the curve",

    90 StorageFailed "the secure storage failed",
    91 StorageCorrupt "a sealed record does not parse",
    92 EntropyFailed "the source of randomness failed",
    93 CounterFailed "the monotonic counter failed",
    94 SigningFailed "a signature could not be made",
}

impl Status {
    /// Whether the same frame may succeed later without any change.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::StorageFailed | Self::EntropyFailed | Self::CounterFailed
        )
    }
}

impl core::error::Error for Status {}
