//! The name of an account record in the TEE.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::limits::MAX_ACCOUNT_ID;
use crate::parse_error::ParseError;
use crate::primitives::{Address, keccak256};

/// 1 to 128 characters of `[A-Za-z0-9_.:@-]` (protocol, section 1); not `.` or `..`, which no URL
/// can carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// The default id of an account created without one: `pk_` and the first 20 bytes, in hex, of
    /// keccak256(credentialId) (protocol, section 1).
    #[must_use]
    pub fn of_credential(credential_id: &[u8]) -> Self {
        let digest = alloc::format!("{}", keccak256(credential_id));
        let first_20_bytes = digest.trim_start_matches("0x").chars().take(40);
        Self("pk_".chars().chain(first_20_bytes).collect())
    }

    /// Whether an account of this credential can be created under this id. Ids whose form has a
    /// meaning cannot be chosen: an address belongs to the smart account at it (an account with its
    /// own signer is named by its sender's address), and `pk_` with 40 hex digits to the credential
    /// that it is derived from (protocol, section 1).
    #[must_use]
    pub fn can_name_account_of(&self, credential_id: &[u8]) -> bool {
        !self.is_address() && (!self.has_prefix_and_20_bytes("pk_") || *self == Self::of_credential(credential_id))
    }

    /// The id of an account with its own signer: its address in lower case.
    #[must_use]
    pub fn of_address(address: &Address) -> Self {
        Self(alloc::format!("{address}").to_ascii_lowercase())
    }

    /// The same id, converted to lower case if it is an address: addresses are case-insensitive.
    #[must_use]
    pub fn with_address_in_lower_case(self) -> Self {
        if self.is_address() { Self(self.0.to_ascii_lowercase()) } else { self }
    }

    /// Whether the id has the form of an address: `0x` and 40 hex digits, in any case.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.has_prefix_and_20_bytes("0x") || self.has_prefix_and_20_bytes("0X")
    }

    fn has_prefix_and_20_bytes(&self, prefix: &str) -> bool {
        let digits = self.0.strip_prefix(prefix).map(str::as_bytes);
        digits.is_some_and(|digits| digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
        if text.is_empty() || text.len() > MAX_ACCOUNT_ID || !text.bytes().all(allowed) || text == "." || text == ".." {
            return Err(ParseError::NotAccountId);
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
