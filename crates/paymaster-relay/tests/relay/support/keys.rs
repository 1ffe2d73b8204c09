//! API keys.

use paymaster_relay::clients::{KeyKind, NewApiKey, Origins};

/// A key of a server, bounded by nothing.
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
