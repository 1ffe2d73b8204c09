//! Accounts whose key lives in the TEE.

use serde::{Deserialize, Serialize};

use crate::account_id::AccountId;
use crate::bytes::{BoundedBytes, BoundedList};
use crate::digest::personal_message_hash;
use crate::limits;
use crate::primitives::{Address, Hash, UserOpHash};

/// A WebAuthn credential id.
pub type CredentialId = BoundedBytes<{ limits::MAX_CREDENTIAL_ID }>;

/// Makes a wallet from the TEE's own entropy and binds its first passkey. The same credential again gives the same account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateHybridAccount {
    /// The name of the record.
    pub account_id: AccountId,
    /// How the account's contract wants its signatures, for good.
    pub signature_scheme: SignatureScheme,
    /// What the authenticator answered.
    pub registration: Registration,
}

/// The parts of a WebAuthn registration that bind the credential (WebAuthn Level 3, section 7.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// `authData` of the attestation object, with the attested credential data.
    pub authenticator_data: BoundedBytes<{ limits::MAX_AUTHENTICATOR_DATA }>,
    /// As the browser made it.
    pub client_data_json: BoundedBytes<{ limits::MAX_CLIENT_DATA }>,
}

/// How an account signs an operation (protocol, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignatureScheme {
    /// `personal_sign` over `userOpHash`: SimpleAccount of v0.6 and v0.7.
    #[serde(rename = "eip191")]
    Eip191,
    /// `userOpHash` as it is, an EIP-712 digest: SimpleAccount of v0.8 and later.
    #[serde(rename = "raw")]
    Raw,
}

impl SignatureScheme {
    /// What the account's key signs to sign an operation.
    #[must_use]
    pub fn digest(self, hash: &UserOpHash) -> Hash {
        match self {
            Self::Eip191 => personal_message_hash(&hash.0),
            Self::Raw => Hash(hash.0),
        }
    }
}

/// Asks for an account's public facts.
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
    /// Who may approve.
    pub passkeys: BoundedList<PasskeyInfo, { limits::MAX_PASSKEYS }>,
}

/// A passkey of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyInfo {
    /// Its credential id.
    pub credential_id: CredentialId,
    /// Its public key.
    pub public_key: PasskeyPublicKey,
}

/// A point on P-256, affine and big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PasskeyPublicKey {
    /// Affine x.
    pub x: [u8; 32],
    /// Affine y.
    pub y: [u8; 32],
}
