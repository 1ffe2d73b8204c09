//! API keys: who may call at all.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::clients::{ApiKey, ApiKeyId, Caller, KeyKind, Scope};
use crate::settings::SettingsError;

/// The scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";
const KEY: &str = "rpc.api_key_hashes";

/// The keys that are admitted, by their hashes; none means everybody is.
#[derive(Clone, Debug)]
pub(crate) struct ApiKeys(Vec<([u8; 32], Arc<ApiKey>)>);

impl ApiKeys {
    pub(crate) fn new(hashes: &[String]) -> Result<Self, SettingsError> {
        let parse = |text: &String| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut hash)
                .map_err(|_| SettingsError::Invalid { key: KEY, problem: "a SHA-256 is 64 hex digits".to_owned() })?;
            Ok((hash, Arc::new(of_settings(&hash))))
        };
        hashes.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The caller that the value of an `Authorization` header stands for; `None` where it is not admitted. Hashes are
    /// compared, so the timing tells nothing about a key.
    pub(crate) fn admit(&self, authorization: Option<&[u8]>) -> Option<Caller> {
        if self.0.is_empty() {
            return Some(Caller::Anonymous);
        }
        let (scheme, key) = authorization?.split_at_checked(SCHEME.len())?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return None;
        }
        let presented: [u8; 32] = Sha256::digest(key).into();
        let (_, key) = self.0.iter().find(|(hash, _)| *hash == presented)?;
        Some(Caller::Key(Arc::clone(key)))
    }
}

/// A key of the settings is a server's, and bounded by nothing of its own.
fn of_settings(hash: &[u8; 32]) -> ApiKey {
    ApiKey {
        id: ApiKeyId::of_hash(hash),
        label: KEY.to_owned(),
        kind: KeyKind::Server,
        scopes: Scope::ALL.to_vec(),
        policies: Vec::new(),
        origins: Vec::new(),
        quota: None,
        expires_at: None,
    }
}
