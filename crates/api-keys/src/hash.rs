//! The hash that identifies a key.

use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// The SHA-256 of an API key. Only hashes are stored and compared, so the time of a lookup reveals
/// nothing about a key; comparing two hashes takes constant time.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Hashes a key as presented.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// The text is not the hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidKeyHash {
    /// Not hex, or of another length.
    #[error("a SHA-256 is 64 hex digits")]
    NotSha256,
    /// The hash of an unset variable, or a placeholder.
    #[error("64 zeros and the hashes of an empty text or an empty line are placeholders: use the hash of a real key")]
    OfNoKey,
}

/// 64 hex digits, with or without `0x`.
impl FromStr for KeyHash {
    type Err = InvalidKeyHash;

    fn from_str(text: &str) -> Result<Self, InvalidKeyHash> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut hash)
            .map_err(|_| InvalidKeyHash::NotSha256)?;
        let of_no_key = [Self([0; 32]), Self::of(b""), Self::of(b"\n")];
        if of_no_key.contains(&Self(hash)) { Err(InvalidKeyHash::OfNoKey) } else { Ok(Self(hash)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholder_hashes_are_refused() {
        let hex = |hash: KeyHash| hex::encode(hash.0);
        assert_eq!(hex(KeyHash::of(b"key")).parse(), Ok(KeyHash::of(b"key")));
        assert_eq!(format!("0x{}", hex(KeyHash::of(b"key"))).parse(), Ok(KeyHash::of(b"key")));
        for empty in [KeyHash([0; 32]), KeyHash::of(b""), KeyHash::of(b"\n")] {
            assert_eq!(hex(empty).parse::<KeyHash>(), Err(InvalidKeyHash::OfNoKey));
        }
        for text in ["", "0x", "srk_abc", &"a".repeat(63), &"g".repeat(64)] {
            assert_eq!(text.parse::<KeyHash>(), Err(InvalidKeyHash::NotSha256), "{text:?}");
        }
    }

    #[test]
    fn two_hashes_differ_wherever_one_bit_does() {
        let hash = KeyHash::of(b"key");
        for index in 0..32 {
            let mut other = hash;
            other.0[index] ^= 1;
            assert_ne!(hash, other);
        }
    }
}
