//! The parts of a server's options that a browser evaluates, and why it refuses them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use thiserror::Error;

/// COSE algorithm ES256.
pub(super) const ES256: i64 = -7;

/// The ceremony ended without a credential, as in `navigator.credentials`.
#[derive(Debug, Error)]
pub enum PasskeyError {
    /// The options do not have WebAuthn's form.
    #[error("not WebAuthn options: {detail}")]
    BadOptions {
        /// The parser's message.
        detail: String,
    },
    /// `SecurityError`: the options name a relying party other than the page's.
    #[error("the options are for {offered:?}, this passkey for {own:?}")]
    OtherRelyingParty {
        /// The relying party in the options.
        offered: String,
        /// The passkey's own.
        own: String,
    },
    /// `NotSupportedError`: the server does not accept ES256.
    #[error("the server accepts no ES256 key")]
    NoCommonAlgorithm,
    /// `InvalidStateError`: the credential is registered already.
    #[error("the server excludes this credential")]
    Excluded,
    /// `NotAllowedError`: the server requests other credentials.
    #[error("the server does not request this credential")]
    NotAsked,
    /// The operating system provided no randomness.
    #[error("no randomness")]
    NoRandomness,
    /// A value could not be signed or encoded.
    #[error("the credential could not be encoded: {detail}")]
    Encoding {
        /// What failed.
        detail: String,
    },
}

/// PublicKeyCredentialCreationOptionsJSON, the parts used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationOptions {
    pub rp: RelyingParty,
    pub user: User,
    pub challenge: Base64Url,
    pub pub_key_cred_params: Vec<Parameter>,
    #[serde(default)]
    pub exclude_credentials: Vec<Descriptor>,
}

/// PublicKeyCredentialRequestOptionsJSON, the parts used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestOptions {
    pub challenge: Base64Url,
    pub rp_id: Option<String>,
    #[serde(default)]
    pub allow_credentials: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(super) struct RelyingParty {
    pub id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub id: Base64Url,
}

#[derive(Deserialize)]
pub(super) struct Parameter {
    pub alg: i64,
}

#[derive(Deserialize)]
pub(super) struct Descriptor {
    pub id: Base64Url,
}

/// Bytes encoded in JSON as base64url without padding.
pub(super) struct Base64Url(pub Vec<u8>);

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn parse<'de, T: Deserialize<'de>>(options: &'de Value) -> Result<T, PasskeyError> {
    T::deserialize(options).map_err(|error| PasskeyError::BadOptions { detail: error.to_string() })
}
