//! API keys. Only the hash of a key is stored, never the key itself.

use std::fmt;

use api_keys::KeyHash;
use proto::json::passkey::to_base64url;
use relay_api::Scope;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::origin::Origins;
use super::rate::Rate;
use super::usage::Usage;

/// The prefix of every generated key, by which scanners and paths recognise one.
pub(crate) const PREFIX: &str = "srk_";
const RANDOM_BYTES: usize = 32;

/// The id of a key in lists, logs and counters: the first eight bytes of its hash, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKeyId(String);

impl ApiKeyId {
    const BYTES: usize = 8;

    /// The id of the key with this hash.
    #[must_use]
    pub fn of_hash(hash: &KeyHash) -> Self {
        Self(hex::encode(&hash.0[..Self::BYTES]))
    }

    /// Whether a text has the form of an id. A key does not, nor the hash of one.
    #[must_use]
    pub fn may_be(text: &str) -> bool {
        text.len() <= 2 * Self::BYTES && !text.starts_with(PREFIX)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for ApiKeyId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// On a server: secret.
    Server,
    /// In a page or an app: public, bounded by its policies, caps, rate and quota.
    Publishable,
}

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its name.
    pub id: ApiKeyId,
    /// The operator's name for it.
    pub label: String,
    /// Where it is used.
    pub kind: KeyKind,
    /// The methods it may call.
    pub scopes: Vec<Scope>,
    /// The policies it may choose; the first is its default. Empty: all, with the relay's default.
    pub policies: Vec<String>,
    /// The origins where it may be used. Only checked for publishable keys.
    pub origins: Origins,
    /// Its rate limit; methods that return short public facts are not counted. `None`: unlimited.
    pub rate: Option<Rate>,
    /// Calls in one UTC day; methods that return short public facts are not counted.
    pub quota: Option<u64>,
    /// Unix seconds after which it is refused.
    pub expires_at: Option<u64>,
}

/// A key to be created.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewApiKey {
    /// The operator's name for it.
    pub label: String,
    /// Where it will be used.
    pub kind: KeyKind,
    /// The methods it may call. Empty: everything for a server's key, `sponsor` for a publishable
    /// one.
    pub scopes: Vec<Scope>,
    /// The policies it may choose; the first is its default.
    pub policies: Vec<String>,
    /// The origins where it may be used.
    pub origins: Origins,
    /// Its rate limit. `None`: unlimited for a server's key, [`Rate::PUBLISHABLE`] for a
    /// publishable one.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Calls in one UTC day.
    pub quota: Option<u64>,
    /// Seconds from now after which it is refused.
    pub valid_for_seconds: Option<u64>,
}

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The key's properties.
    pub key: ApiKey,
    /// The hash that identifies it.
    pub hash: KeyHash,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds from which it is refused.
    pub revoked_at: Option<u64>,
    /// Its usage.
    pub usage: Usage,
}

/// The text of a new key over 32 random bytes.
pub(super) fn text_of(random: &Zeroizing<[u8; RANDOM_BYTES]>) -> SecretString {
    let digits = Zeroizing::new(to_base64url(random.as_slice()));
    SecretString::from(format!("{PREFIX}{}", digits.as_str()))
}
