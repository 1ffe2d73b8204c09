//! secp256k1 signatures in Ethereum's encoding.

use core::fmt;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::parse_error::ParseError;
use crate::{hex, text_serde};

/// r ‖ s ‖ v, where v is 27 or 28. Public data: it may be printed and compared. As text, the 65
/// bytes in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Big-endian.
    pub r: [u8; 32],
    /// Big-endian; in the lower half of the order in every signature we make or accept.
    pub s: [u8; 32],
    /// 27 or 28.
    pub v: u8,
}

impl Signature {
    /// Placeholder in a command until it is signed.
    pub const UNSIGNED: Self = Self { r: [0; 32], s: [0; 32], v: 0 };
    /// Length of a serialised signature, in bytes.
    pub const LENGTH: usize = 65;

    /// r ‖ s ‖ v.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [self.v; Self::LENGTH];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..64].copy_from_slice(&self.s);
        bytes
    }

    /// Splits r ‖ s ‖ v; does not validate `v`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..64]);
        Self { r, s, v: bytes[64] }
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = core::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self::from_bytes)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::show(&self.to_bytes(), f)
    }
}

impl FromStr for Signature {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        hex::parse_fixed(text).map(|bytes| Self::from_bytes(&bytes))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text_serde::serialize(serializer, self, &(self.r, self.s, self.v))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_serde::deserialize(deserializer, |(r, s, v)| Self { r, s, v })
    }
}
