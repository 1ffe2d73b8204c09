//! `clientDataJSON` (WebAuthn Level 3, section 5.8.1).
//!
//! The specification's own "limited verification" would need no parser, but it does not return the
//! origin, and clients may add keys. `serde_json` is the most reviewed JSON parser in Rust, works
//! without std, skips unknown values without recursion, and refuses duplicate keys; a hand-written
//! scanner would be more code to trust, not less.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use crate::status::Status;

/// The kind of ceremony that the client ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony {
    /// `navigator.credentials.create`.
    Registration,
    /// `navigator.credentials.get`.
    Assertion,
}

/// Client data of the right ceremony, not from a cross-origin frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientData<'a> {
    challenge: Cow<'a, str>,
    origin: Cow<'a, str>,
}

/// Any of these may be written with escapes: Android's credential manager writes the origin's
/// slashes as `\/`.
#[derive(Deserialize)]
struct Collected<'a> {
    #[serde(borrow, rename = "type")]
    ceremony: Cow<'a, str>,
    #[serde(borrow)]
    challenge: Cow<'a, str>,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, borrow, rename = "topOrigin")]
    top_origin: TopOrigin<'a>,
}

/// Absent or a string; `Option` would accept null as absent.
#[derive(Default, Deserialize)]
#[serde(from = "Cow<'a, str>")]
struct TopOrigin<'a>(Option<Cow<'a, str>>);

impl<'a> From<Cow<'a, str>> for TopOrigin<'a> {
    fn from(origin: Cow<'a, str>) -> Self {
        Self(Some(origin))
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
    /// Parses client data, to the last byte.
    ///
    /// # Errors
    /// `ClientDataMalformed` unless it is a JSON object with `type`, `challenge` and `origin`, each
    /// once; `ClientDataTypeWrong` if it belongs to the other ceremony; `CrossOrigin` if it was
    /// made in a cross-origin frame.
    pub fn parse(bytes: &'a [u8], ceremony: Ceremony) -> Result<Self, Status> {
        let text = core::str::from_utf8(bytes).map_err(|_| Status::ClientDataMalformed)?;
        // The parser would also accept a list, taking its items in the order of the fields.
        if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
            return Err(Status::ClientDataMalformed);
        }
        let collected: Collected<'a> = serde_json::from_str(text).map_err(|_| Status::ClientDataMalformed)?;
        if collected.ceremony != ceremony.name() {
            return Err(Status::ClientDataTypeWrong);
        }
        if collected.cross_origin || collected.top_origin.0.is_some() {
            return Err(Status::CrossOrigin);
        }
        Ok(Self { challenge: collected.challenge, origin: collected.origin })
    }

    /// Scheme, host and port of the page, as written by the client.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The bytes of the challenge.
    ///
    /// # Errors
    /// `ChallengeEncodingInvalid` unless it is base64url without padding, in which every challenge
    /// has exactly one encoding.
    pub fn challenge(&self) -> Result<Vec<u8>, Status> {
        Base64UrlUnpadded::decode_vec(&self.challenge).map_err(|_| Status::ChallengeEncodingInvalid)
    }

    /// Checks that the challenge equals `expected`.
    ///
    /// # Errors
    /// Those of [`Self::challenge`], and `ChallengeMismatch` if it differs.
    pub fn check_challenge(&self, expected: &[u8]) -> Result<(), Status> {
        (self.challenge()? == expected).then_some(()).ok_or(Status::ChallengeMismatch)
    }
}
