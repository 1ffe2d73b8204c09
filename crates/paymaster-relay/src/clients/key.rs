//! What is known of an API key. The key itself is never kept, only its hash.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a key in lists, logs and counters: the first eight bytes of its hash, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKeyId(String);

impl ApiKeyId {
    const BYTES: usize = 8;

    /// The id of the key with this SHA-256.
    #[must_use]
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        Self(hex::encode(&hash[..Self::BYTES]))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// On a server: secret.
    Server,
    /// In a page or an app: public, bounded by its policies, caps and quota.
    Publishable,
}

/// A group of methods that a key may call. Methods that answer public facts need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Sponsorships: intents, stub data, paymaster data.
    Sponsor,
    /// Facts about accounts.
    Accounts,
    /// Invitations to create accounts.
    Invite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Sponsor, Self::Accounts, Self::Invite];
}

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name.
    pub id: ApiKeyId,
    /// What its operator calls it.
    pub label: String,
    /// Where it is kept.
    pub kind: KeyKind,
    /// What it may call.
    pub scopes: Vec<Scope>,
    /// The policies it may choose; the first is its default. Empty: all, with the relay's default.
    pub policies: Vec<String>,
    /// The origins whose pages may use it. Empty: every origin.
    pub origins: Vec<String>,
    /// Requests a day (UTC).
    pub quota: Option<u64>,
    /// Unix seconds after which it is refused.
    pub expires_at: Option<u64>,
}
