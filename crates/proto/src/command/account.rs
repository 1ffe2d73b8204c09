//! Accounts whose key lives in the TEE.

use core::fmt;
use core::str::FromStr;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::reply_length::{ADDRESS, COUNT, LENGTH};
use crate::account_id::AccountId;
use crate::bytes::{BoundedBytes, BoundedList};
use crate::digest::personal_message_hash;
use crate::parse_error::ParseError;
use crate::primitives::{Address, Hash, UserOpHash};
use crate::{hex, limits, text_serde};

/// A WebAuthn credential id.
pub type CredentialId = BoundedBytes<{ limits::MAX_CREDENTIAL_ID }>;

/// Creates a wallet from the TEE's own entropy and binds its first passkey. Repeating the command
/// with the same credential returns the same account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateHybridAccount {
    /// The name of the record.
    pub account_id: AccountId,
    /// The signature scheme of the account's contract, permanently.
    pub signature_scheme: SignatureScheme,
    /// The authenticator's answer.
    pub registration: Registration,
}

/// The parts of a WebAuthn registration that bind the credential (WebAuthn Level 3, section 7.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// `authData` of the attestation object, with the attested credential data.
    pub authenticator_data: BoundedBytes<{ limits::MAX_AUTHENTICATOR_DATA }>,
    /// As the browser serialised it.
    pub client_data_json: BoundedBytes<{ limits::MAX_CLIENT_DATA }>,
}

/// How an account signs an operation (protocol, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignatureScheme {
    /// `personal_sign` over `userOpHash`: SimpleAccount of v0.6 and v0.7.
    #[serde(rename = "eip191")]
    Eip191,
    /// `userOpHash` without a prefix, an EIP-712 digest: SimpleAccount of v0.8 and later.
    #[serde(rename = "raw")]
    Raw,
}

impl SignatureScheme {
    /// Every scheme.
    pub const ALL: [Self; 2] = [Self::Eip191, Self::Raw];

    /// `eip191` or `raw`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eip191 => "eip191",
            Self::Raw => "raw",
        }
    }

    /// The digest that the account's key signs for an operation with this hash.
    #[must_use]
    pub fn digest(self, hash: &UserOpHash) -> Hash {
        match self {
            Self::Eip191 => personal_message_hash(&hash.0),
            Self::Raw => Hash(hash.0),
        }
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SignatureScheme {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or(ParseError::NotOneOf { expected: "eip191, raw" })
    }
}

/// Requests an account's public facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetWalletInfo {
    /// The account.
    pub account_id: AccountId,
}

/// An account's public facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletInfo {
    /// The name of the record.
    pub account_id: AccountId,
    /// Address of the key at `m/44'/60'/0'/0/0`: the owner of the account's contract.
    pub owner: Address,
    /// How it signs operations.
    pub signature_scheme: SignatureScheme,
    /// The passkeys that may approve.
    pub passkeys: BoundedList<PasskeyInfo, { limits::MAX_PASSKEYS }>,
}

impl WalletInfo {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = {
        const PUBLIC_KEY: usize = 64;
        const PASSKEY: usize = LENGTH + limits::MAX_CREDENTIAL_ID + PUBLIC_KEY;
        LENGTH + limits::MAX_ACCOUNT_ID + ADDRESS + 1 + COUNT + limits::MAX_PASSKEYS * PASSKEY
    };
}

/// A passkey of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyInfo {
    /// Its credential id.
    pub credential_id: CredentialId,
    /// Its public key.
    pub public_key: PasskeyPublicKey,
}

/// A point on P-256, affine and big-endian. As text, uncompressed SEC1 in hex: 04 ‖ x ‖ y.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PasskeyPublicKey {
    /// Affine x.
    pub x: [u8; 32],
    /// Affine y.
    pub y: [u8; 32],
}

/// The first byte of an uncompressed point (SEC1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

impl fmt::Display for PasskeyPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut point = [UNCOMPRESSED; 65];
        point[1..33].copy_from_slice(&self.x);
        point[33..].copy_from_slice(&self.y);
        hex::show(&point, f)
    }
}

impl FromStr for PasskeyPublicKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let point: [u8; 65] = hex::parse_fixed(text).map_err(|problem| match problem {
            ParseError::NotBytes { .. } => ParseError::NotPublicKey,
            other => other,
        })?;
        if point[0] != UNCOMPRESSED {
            return Err(ParseError::NotPublicKey);
        }
        let (mut x, mut y) = ([0; 32], [0; 32]);
        x.copy_from_slice(&point[1..33]);
        y.copy_from_slice(&point[33..]);
        Ok(Self { x, y })
    }
}

impl Serialize for PasskeyPublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text_serde::serialize(serializer, self, &(self.x, self.y))
    }
}

impl<'de> Deserialize<'de> for PasskeyPublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_serde::deserialize(deserializer, |(x, y)| Self { x, y })
    }
}
