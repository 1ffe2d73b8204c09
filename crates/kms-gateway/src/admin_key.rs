//! The admin's key, and recovery of the signer of an admin command.

use k256::ecdsa::SigningKey;
use proto::typed_data::TypedData;
use proto::{Address, Hash, Signature};
use secrecy::{ExposeSecret, SecretSlice};
use thiserror::Error;

use crate::recover::{address_of, recover};

/// The admin's key, wiped when dropped. No `Debug`, no `Clone`.
pub struct AdminKey {
    key: SigningKey,
    address: Address,
}

/// Not 32 bytes, or not a scalar of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the admin key is not a secp256k1 key")]
pub struct InvalidAdminKey;

impl AdminKey {
    /// A key from its 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`InvalidAdminKey`]: not 32 bytes, or not a scalar of the curve.
    pub fn new(secret: &SecretSlice<u8>) -> Result<Self, InvalidAdminKey> {
        let key = SigningKey::from_slice(secret.expose_secret()).map_err(|_| InvalidAdminKey)?;
        let address = address_of(key.verifying_key()).ok_or(InvalidAdminKey)?;
        Ok(Self { key, address })
    }

    /// The key's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a command as EIP-712 typed data. The digest does not cover the command's own signature
    /// field: store the result there.
    #[must_use]
    pub fn sign(&self, command: &impl TypedData) -> Signature {
        let Hash(digest) = command.digest();
        let (signature, recovery_id) = self.key.sign_prehash_recoverable(&digest);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), v: 27 + recovery_id.to_byte() }
    }
}

/// Recovers the signer of a command from its signature over EIP-712 typed data. `None` if the
/// signature is invalid.
#[must_use]
pub fn signer_of(command: &impl TypedData, signature: &Signature) -> Option<Address> {
    recover(&command.digest(), signature)
}
