//! API keys.

use paymaster_relay::clients::{KeyKind, NewApiKey, Origins};

/// A server's key without limits.
pub fn server() -> NewApiKey {
    NewApiKey {
        label: "shop".to_owned(),
        kind: KeyKind::Server,
        scopes: Vec::new(),
        policies: Vec::new(),
        origins: Origins::default(),
        rate: None,
        quota: None,
        valid_for_seconds: None,
    }
}
