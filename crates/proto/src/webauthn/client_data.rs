//! `clientDataJSON` (WebAuthn Level 3, section 5.8.1).
//!
//! The specification's own "limited verification" would need no parser, but it does not give the
//! origin, and clients may add keys. `serde_json` is the JSON parser most looked at in Rust, needs
//! no std, ignores what it is not asked for without recursion, and refuses a key given twice; a
//! scanner of our own would be more to trust, not less.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use crate::status::Status;

/// What kind of ceremony the client ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony {
    /// `navigator.credentials.create`.
    Registration,
    /// `navigator.credentials.get`.
    Assertion,
}

/// Client data of the right ceremony, made in no frame of another origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientData<'a> {
    challenge: Cow<'a, str>,
    origin: Cow<'a, str>,
}

/// Any of these may be written with escapes: Android's credential manager writes the slashes of the
/// origin as `\/`.
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

/// Absent or a string; `Option` would take null for absent.
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
    /// Reads it, to the last byte.
    ///
    /// # Errors
    /// `ClientDataMalformed` when it is no JSON object with `type`, `challenge` and `origin`, each
    /// once; `ClientDataTypeWrong` when it is of the other ceremony; `CrossOrigin` when it was made
    /// in a frame of another origin.
    pub fn parse(bytes: &'a [u8], ceremony: Ceremony) -> Result<Self, Status> {
        let text = core::str::from_utf8(bytes).map_err(|_| Status::ClientDataMalformed)?;
        // A list would also do for the parser, which takes its items in the order of the fields.
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

    /// Scheme, host and port of the page, as the client wrote them.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The bytes of the challenge.
    ///
    /// # Errors
    /// `ChallengeEncodingInvalid` unless it is base64url without padding, of which every challenge
    /// has one spelling.
    pub fn challenge(&self) -> Result<Vec<u8>, Status> {
        Base64UrlUnpadded::decode_vec(&self.challenge).map_err(|_| Status::ChallengeEncodingInvalid)
    }

    /// Checks that the challenge is that one.
    ///
    /// # Errors
    /// As of [`Self::challenge`], and `ChallengeMismatch` when it is another.
    pub fn check_challenge(&self, expected: &[u8]) -> Result<(), Status> {
        (self.challenge()? == expected).then_some(()).ok_or(Status::ChallengeMismatch)
    }
}
