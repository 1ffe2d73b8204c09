//! Messages on the admin socket: HTTP with JSON, for both ends.

use paymaster_relay::clients::{ApiKey, ApiKeyId, StoredKey, Usage};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

/// POST makes a key from a [`paymaster_relay::clients::NewApiKey`] and returns [`Made`]; GET
/// returns a list of [`KeyState`].
pub const KEYS: &str = "/api-keys";
/// POST revokes the key at once, and returns [`Revoked`].
pub const REVOCATION: &str = "/api-keys/{id}/revocation";

/// The path of a key's revocation; ids are hex.
pub fn revocation(id: &str) -> String {
    let hex: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    REVOCATION.replace("{id}", &hex)
}

/// A new key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// The key itself.
    #[serde(serialize_with = "exposed")]
    pub key: SecretString,
    /// Its settings.
    pub api_key: ApiKey,
}

/// A listed key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyState {
    /// Its settings.
    #[serde(flatten)]
    pub key: ApiKey,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub revoked_at: Option<u64>,
    /// Its usage.
    pub usage: Usage,
}

/// A revoked key.
#[derive(Serialize, Deserialize)]
pub struct Revoked {
    /// Its id.
    pub id: ApiKeyId,
}

impl From<StoredKey> for KeyState {
    fn from(StoredKey { key, created_at, revoked_at, usage, .. }: StoredKey) -> Self {
        Self { key, created_at, revoked_at, usage }
    }
}

fn exposed<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    use secrecy::ExposeSecret as _;
    serializer.serialize_str(key.expose_secret())
}
