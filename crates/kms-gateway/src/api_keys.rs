//! API keys of servers that may create accounts, stored as hashes.

use std::collections::HashMap;

use api_keys::{InvalidKeyHash, KeyHash};
use proto::json::is_obeyed;

use crate::settings::{ApiKeySettings, InvalidSettings};

const KEYS: &str = "api_keys";

/// The keys in the settings, by hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiKeys(HashMap<KeyHash, String>);

impl ApiKeys {
    /// # Errors
    /// An invalid hash, or a duplicate label or key.
    pub(crate) fn new(settings: &[ApiKeySettings]) -> Result<Self, InvalidSettings> {
        let mut labels = HashMap::new();
        for ApiKeySettings { label, hash } in settings {
            if label.is_empty() || label.contains(is_obeyed) || labels.values().any(|known| known == label) {
                return Err(InvalidSettings::new(KEYS, format!("empty, unprintable or duplicate label {label:?}")));
            }
            if labels.insert(parse(hash)?, label.clone()).is_some() {
                return Err(InvalidSettings::new(KEYS, format!("duplicate key {label:?}")));
            }
        }
        Ok(Self(labels))
    }

    /// The key's label in the settings.
    pub(crate) fn label(&self, hash: &KeyHash) -> Option<&str> {
        self.0.get(hash).map(String::as_str)
    }
}

fn parse(text: &str) -> Result<KeyHash, InvalidSettings> {
    text.parse().map_err(|problem: InvalidKeyHash| InvalidSettings::new(KEYS, problem.to_string()))
}
