//! Keys of servers that may have accounts made, known by their hashes.

use std::collections::HashMap;

use proto::Hash;
use proto::json::is_obeyed;
use sha2::{Digest as _, Sha256};

use crate::settings::{ApiKeySettings, InvalidSettings};

const KEYS: &str = "api_keys";

/// SHA-256 of a key. Hashes are compared, so their timing tells nothing about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// Of a key as a caller sends it.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn parse(text: &str) -> Result<Self, InvalidSettings> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let hash = format!("0x{digits}").parse().map(|Hash(hash)| Self(hash));
        let hash = hash.map_err(|_| InvalidSettings::new(KEYS, "a SHA-256 is 64 hex digits"))?;
        if [Self([0; 32]), Self::of(b""), Self::of(b"\n")].contains(&hash) {
            let problem =
                "64 zeros, and the hashes of nothing and of an empty line, are the hash of no key: was the key set?";
            return Err(InvalidSettings::new(KEYS, problem));
        }
        Ok(hash)
    }
}

/// The keys of the settings, by their hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiKeys(HashMap<ApiKeyHash, String>);

impl ApiKeys {
    /// # Errors
    /// An invalid hash, or a duplicate label or key.
    pub(crate) fn new(settings: &[ApiKeySettings]) -> Result<Self, InvalidSettings> {
        let mut labels = HashMap::new();
        for ApiKeySettings { label, hash } in settings {
            if label.is_empty() || label.contains(is_obeyed) || labels.values().any(|known| known == label) {
                return Err(InvalidSettings::new(KEYS, format!("empty, unprintable or duplicate label {label:?}")));
            }
            if labels.insert(ApiKeyHash::parse(hash)?, label.clone()).is_some() {
                return Err(InvalidSettings::new(KEYS, format!("duplicate key {label:?}")));
            }
        }
        Ok(Self(labels))
    }

    /// What the settings call the key.
    pub(crate) fn label(&self, hash: &ApiKeyHash) -> Option<&str> {
        self.0.get(hash).map(String::as_str)
    }
}
