//! Reasons of refusals: one table with each reason's HTTP status and whether the same request may
//! succeed later.

mod received;
mod tee;

use core::fmt;

use proto::Status;

pub use received::ReceivedReason;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal $retry:ident,)*) => {
        /// A reason known to this version.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            /// A status of the trusted application, also if the gateway refused before calling it.
            Tee(Status),
        }

        impl Reason {
            /// The gateway's own reasons, in the order of docs/api.md.
            pub const OWN: &'static [Self] = &[$(Self::$name),*];

            /// The stable name in answers, audit rows and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Tee(status) => status.reason(),
                }
            }

            /// The HTTP status of the answer; 5xx if the reason is not about the request.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                    Self::Tee(status) => tee::http_status(status),
                }
            }

            /// Whether the same bytes may succeed later without a change of a setting, a key or a
            /// permission. [`Self::TimestampSkewed`] may if the timestamp is ahead.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self {
                    $(Self::$name => reasons!($retry),)*
                    Self::Tee(status) => status.is_retryable(),
                }
            }
        }
    };
    (retry) => { true };
    (final) => { false };
}

reasons! {
    /// A field of the body, the path, the query or a header is missing, unknown or malformed.
    InvalidField "invalid_field" 400 final,
    /// The body is not JSON.
    MalformedJson "malformed_json" 400 final,
    /// The content type is not `application/json`.
    NotJson "not_json" 415 final,
    /// The body has a `Content-Encoding`.
    ContentEncodingNotSupported "content_encoding_not_supported" 415 final,
    /// The body is over the limit.
    BodyTooLarge "body_too_large" 413 final,
    /// The body did not arrive in time.
    BodyNotReceived "body_not_received" 408 retry,
    /// The chunks or the length of the body are invalid in HTTP/1.1.
    BodyMalformed "body_malformed" 400 final,
    /// The connection limit is reached.
    TooManyConnections "too_many_connections" 503 retry,
    /// No answer in time; the request may still take effect.
    RequestTimeout "request_timeout" 503 retry,
    /// No such route.
    NotFound "not_found" 404 final,
    /// The route has no such method.
    MethodNotAllowed "method_not_allowed" 405 final,
    /// A page called a route meant for servers. [`Status::OriginNotAllowed`] has the same name, so
    /// clients parse this name as that status.
    PageNotAllowed "origin_not_allowed" 403 final,
    /// The request's timestamp is too far from the gateway's time.
    TimestampSkewed "timestamp_skewed" 401 final,
    /// The relay key has already used the nonce.
    NonceReplayed "nonce_replayed" 401 final,
    /// The header names a relay key other than the one that signed.
    SignerMismatch "signer_mismatch" 401 final,
    /// `userPublicKey` is not the passkey's.
    PublicKeyMismatch "public_key_mismatch" 401 final,
    /// The registration is unknown to this KMS, or has expired.
    RegistrationUnknown "registration_unknown" 404 final,
    /// The registration has no verified passkey yet.
    RegistrationNotVerified "registration_not_verified" 409 retry,
    /// The authenticator's answer cannot be verified.
    RegistrationInvalid "registration_invalid" 400 final,
    /// An API key or an invitation is required, and neither was sent.
    CreationUnauthorised "creation_unauthorised" 401 final,
    /// Not a key of `kms.api_keys`.
    ApiKeyUnknown "api_key_unknown" 401 final,
    /// The invitation is for another TEE, not by an authorised relay key, or valid for too long.
    InvitationInvalid "invitation_invalid" 403 final,
    /// The invitation has expired.
    InvitationExpired "invitation_expired" 403 final,
    /// All accounts of the invitation have been created.
    InvitationUsedUp "invitation_used_up" 403 final,
    /// The authoriser's hourly limit on new accounts is reached.
    CreationRationed "creation_rationed" 429 retry,
    /// The account's limit on messages is reached.
    MessageRationed "message_rationed" 429 retry,
    /// The account exists and has another signature scheme.
    SignatureSchemeConflict "signature_scheme_conflict" 409 final,
    /// The gateway's database cannot be read or written.
    StoreUnavailable "store_unavailable" 503 retry,
    /// TEE queue full, or a call is stuck.
    TeeBusy "tee_busy" 503 retry,
    /// Quotes are rate-limited, and the next one is not due yet.
    AttestationTooSoon "attestation_too_soon" 429 retry,
    /// The relay key was rotated a short time ago. This is a decision: the new key was not
    /// accepted.
    RotationTooSoon "rotation_too_soon" 429 retry,
    /// The TEE does not answer.
    TeeUnavailable "tee_unavailable" 503 retry,
    /// The TEE's reply does not match the request.
    TeeReplyInvalid "tee_reply_invalid" 500 final,
    /// The TEE reports less protection than the settings require.
    TeeProtectionInsufficient "tee_protection_insufficient" 503 final,
    /// The TEE differs from the one used before, or lost its state.
    TeeStateLost "tee_state_lost" 503 final,
    /// The account factory did not answer; the account exists.
    FactoryUnavailable "factory_unavailable" 503 retry,
    /// The gateway failed.
    InternalError "internal_error" 500 final,
}

impl Reason {
    /// The reason with this name. A name used by both the gateway and the trusted application gives
    /// the latter's.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let own = || Self::OWN.iter().copied().find(|reason| reason.as_str() == name);
        Status::from_reason(name).map(Self::Tee).or_else(own)
    }
}

impl From<Status> for Reason {
    fn from(status: Status) -> Self {
        Self::Tee(status)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_from_its_name() {
        let tee = Status::ALL.iter().copied().map(Reason::Tee);
        for reason in Reason::OWN.iter().copied().chain(tee) {
            let expected = match reason {
                Reason::PageNotAllowed => Status::OriginNotAllowed.into(),
                reason => reason,
            };
            assert_eq!(Reason::named(reason.as_str()), Some(expected));
        }
    }
}
