//! The name of an account record in the TEE.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::limits::MAX_ACCOUNT_ID;
use crate::primitives::keccak256;

/// 1 to 128 characters of `[A-Za-z0-9_.:@-]` (protocol, section 1); not `.` or `..`, which no URL can carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

/// The text is not an account id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAccountId;

impl fmt::Display for InvalidAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account id has 1 to 128 characters of A-Z a-z 0-9 _ . : @ -")
    }
}

impl core::error::Error for InvalidAccountId {}

impl AccountId {
    /// The id given to an account that is made without one: `pk_` and the first 20 bytes, in hex, of
    /// keccak256(credentialId) (protocol, section 5).
    #[must_use]
    pub fn of_credential(credential_id: &[u8]) -> Self {
        let digest = alloc::format!("{}", keccak256(credential_id));
        let first_20_bytes = digest.trim_start_matches("0x").chars().take(40);
        Self("pk_".chars().chain(first_20_bytes).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, InvalidAccountId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
        if text.is_empty() || text.len() > MAX_ACCOUNT_ID || !text.bytes().all(allowed) || text == "." || text == ".." {
            return Err(InvalidAccountId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: alloc::borrow::Cow<'de, str> = Deserialize::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
