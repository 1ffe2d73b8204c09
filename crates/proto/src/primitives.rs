//! Fixed-width values, each a type of its own so that none is taken for another.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

const HEX: &[u8; 16] = b"0123456789abcdef";

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
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
    };
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        fixed_bytes!($(#[$doc])* $name, 32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

fixed_bytes!(
    /// A 20-byte Ethereum address. Shown with its checksum (EIP-55).
    Address, 20
);
digest!(
    /// Any 32-byte Keccak-256 or SHA-256 digest that has no narrower type.
    Hash
);
digest!(
    /// A 256-bit unsigned integer, big-endian. Only carried and hashed, never computed with.
    Uint256
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
    /// The digest under a relay's approval, before the EIP-191 prefix.
    RequestDigest
);
digest!(
    /// The EIP-712 digest that a paymaster contract checks.
    PaymasterDigest
);
digest!(
    /// Names one trusted application on one device: 32 random bytes, drawn at its first start and never changed.
    TeeId
);

/// An amount of native currency, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Wei(pub u128);

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wei", self.0)
    }
}

impl From<u128> for Uint256 {
    fn from(value: u128) -> Self {
        let mut word = [0; 32];
        word[16..].copy_from_slice(&value.to_be_bytes());
        Self(word)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 40];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
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
    /// The address of a secp256k1 public key: the last 20 bytes of the Keccak-256 of its 64-byte coordinates.
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

/// Keccak-256 of the parts, one after another, without copying them together.
#[must_use]
pub fn keccak256_concat(parts: &[&[u8]]) -> Hash {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().into())
}
