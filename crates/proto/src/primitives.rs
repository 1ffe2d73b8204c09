//! Fixed-width values, each with its own type so that none is mistaken for another. As text, also
//! in JSON and TOML: `0x` and two hex digits per byte; on the wire: the bytes.

use core::fmt;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use sha3::{Digest, Keccak256};

use crate::parse_error::ParseError;
use crate::{hex, text_serde};

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                hex::parse_fixed(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                text_serde::serialize(serializer, self, &self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text_serde::deserialize(deserializer, Self)
            }
        }
    };
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        fixed_bytes!($(#[$doc])* $name, 32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::show(&self.0, f)
            }
        }
    };
}

fixed_bytes!(
    /// A 20-byte Ethereum address. Displayed with its checksum (EIP-55), which is not verified when
    /// parsing, as in nodes.
    Address, 20
);
digest!(
    /// A 32-byte Keccak-256 or SHA-256 digest that has no narrower type.
    Hash
);
digest!(
    /// What `EntryPoint.getUserOpHash` returns for an operation (ERC-4337).
    UserOpHash
);
digest!(
    /// The WebAuthn challenge by which a user approves an operation.
    IntentHash
);
digest!(
    /// The digest that a relay approves, before the EIP-191 prefix.
    RequestDigest
);
digest!(
    /// The EIP-712 digest that a paymaster contract checks.
    PaymasterDigest
);
digest!(
    /// Identifies one trusted application on one device: 32 random bytes, drawn at its first start
    /// and never changed.
    TeeId
);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 40];
        base16ct::lower::encode(&self.0, &mut digits).map_err(|_| fmt::Error)?;
        let Hash(checksum) = keccak256(digits);
        f.write_str("0x")?;
        digits.iter().enumerate().try_for_each(|(place, digit)| {
            let nibble = checksum[place / 2] >> (4 * (1 - place % 2)) & 15;
            let digit = char::from(*digit);
            fmt::Write::write_char(f, if nibble < 8 { digit } else { digit.to_ascii_uppercase() })
        })
    }
}

impl Address {
    /// The address of a secp256k1 public key: the last 20 bytes of the Keccak-256 of its 64-byte
    /// coordinates.
    #[must_use]
    pub fn from_public_key(coordinates: &[u8; 64]) -> Self {
        let Hash(digest) = keccak256(coordinates);
        let mut address = [0; 20];
        address.copy_from_slice(&digest[12..]);
        Self(address)
    }
}

/// Keccak-256 of `data`, the hash Ethereum uses.
#[must_use]
pub fn keccak256(data: impl AsRef<[u8]>) -> Hash {
    keccak256_concat(&[data.as_ref()])
}

/// Keccak-256 of the concatenated parts, without copying them together.
#[must_use]
pub fn keccak256_concat(parts: &[&[u8]]) -> Hash {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().into())
}
