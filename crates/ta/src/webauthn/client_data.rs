//! `clientDataJSON` (WebAuthn Level 3, section 5.8.1).
//!
//! The specification's own "limited verification" would need no parser, but it does not give the origin, and clients may
//! add keys. `serde_json` is the JSON parser most looked at in Rust, needs no std, ignores what it is not asked for
//! without recursion, and refuses a key given twice; a scanner of our own would be more to trust, not less.

use base64ct::{Base64UrlUnpadded, Encoding};
use proto::Status;
use serde::de::{Deserialize, Deserializer, IgnoredAny};

/// What kind of ceremony the client ran.
#[derive(Clone, Copy)]
pub(super) enum Ceremony {
    /// `navigator.credentials.create`.
    Registration,
    /// `navigator.credentials.get`.
    Assertion,
}

/// Client data of the right ceremony, made in no frame of another origin.
pub(super) struct ClientData<'a> {
    challenge: &'a str,
    /// Scheme, host and port of the page.
    pub(super) origin: &'a str,
}

/// Borrowed texts take no escapes. No client escapes anything in these three (section 5.8.1.1 escapes quotes, backslashes
/// and control characters), so an escape is a disguise.
#[derive(serde::Deserialize)]
struct Collected<'a> {
    #[serde(rename = "type")]
    ceremony: &'a str,
    challenge: &'a str,
    origin: &'a str,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Presence,
}

/// Whether a key is there, whatever its value.
#[derive(Default)]
struct Presence(bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

impl Ceremony {
    const fn name(self) -> &'static str {
        match self {
            Self::Registration => "webauthn.create",
            Self::Assertion => "webauthn.get",
        }
    }
}

impl<'a> ClientData<'a> {
    /// Reads it, to the last byte.
    pub(super) fn parse(bytes: &'a [u8], ceremony: Ceremony) -> Result<Self, Status> {
        let text = core::str::from_utf8(bytes).map_err(|_| Status::ClientDataMalformed)?;
        // A list would also do for the parser, which takes its items in the order of the fields.
        if !text.starts_with('{') {
            return Err(Status::ClientDataMalformed);
        }
        let collected: Collected<'a> = serde_json::from_str(text).map_err(|_| Status::ClientDataMalformed)?;
        if collected.ceremony != ceremony.name() {
            return Err(Status::ClientDataTypeWrong);
        }
        if collected.cross_origin || collected.top_origin.0 {
            return Err(Status::CrossOrigin);
        }
        Ok(Self { challenge: collected.challenge, origin: collected.origin })
    }

    /// Compares in the encoded form, so that there is one spelling of a challenge and no other.
    pub(super) fn check_challenge(&self, expected: &[u8; 32]) -> Result<(), Status> {
        (self.challenge == Base64UrlUnpadded::encode_string(expected)).then_some(()).ok_or(Status::ChallengeMismatch)
    }
}
