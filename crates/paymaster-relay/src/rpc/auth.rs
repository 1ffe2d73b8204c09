//! API keys: who may call at all.

use sha2::{Digest, Sha256};

use crate::settings::SettingsError;

/// The name of the scheme has no case (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";
const KEY: &str = "rpc.api_key_hashes";

/// Hashes of the keys that are let in; none means everybody is.
#[derive(Clone, Debug)]
pub(crate) struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    pub(crate) fn new(hashes: &[String]) -> Result<Self, SettingsError> {
        let parse = |text: &String| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut hash)
                .map_err(|_| SettingsError::Invalid { key: KEY, problem: "a SHA-256 is 64 hex digits".to_owned() })?;
            Ok(hash)
        };
        hashes.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the value of an `Authorization` header is let in. Hashes are compared, so their timing tells nothing
    /// about a key.
    pub(crate) fn admit(&self, authorization: Option<&[u8]>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some((scheme, key)) = authorization.and_then(|value| value.split_at_checked(SCHEME.len())) else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return false;
        }
        let hash: [u8; 32] = Sha256::digest(key).into();
        self.0.contains(&hash)
    }
}
