//! Fixed-width values, each a type of its own so that none is taken for another.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

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

fixed_bytes!(
    /// A 20-byte Ethereum address.
    Address, 20
);
fixed_bytes!(
    /// Any 32-byte Keccak-256 or SHA-256 digest that has no narrower type.
    Hash, 32
);
fixed_bytes!(
    /// A 256-bit unsigned integer, big-endian. Only carried and hashed, never computed with.
    Uint256, 32
);
fixed_bytes!(
    /// What `EntryPoint.getUserOpHash` returns for an operation (ERC-4337).
    UserOpHash, 32
);
fixed_bytes!(
    /// The WebAuthn challenge by which a user approves an operation.
    IntentHash, 32
);
fixed_bytes!(
    /// The digest under a relay's approval, before the EIP-191 prefix.
    RequestDigest, 32
);
fixed_bytes!(
    /// The EIP-712 digest that a paymaster contract checks.
    PaymasterDigest, 32
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
