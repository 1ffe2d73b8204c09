//! secp256k1 keys of admins and relays, and recovery of what the core signed.

use k256::ecdsa::{RecoveryId, SigningKey, VerifyingKey};
use proto::digest::personal_message_hash;
use proto::{Address, Hash, Signature};

#[derive(Clone)]
pub struct EthKey(SigningKey);

impl EthKey {
    /// The key whose secret repeats that number in every byte.
    pub fn numbered(number: u8) -> Self {
        Self(SigningKey::from_slice(&[number; 32]).unwrap())
    }

    pub fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs as `personal_sign` does over 32 bytes.
    pub fn personal(&self, message: &[u8; 32]) -> Signature {
        self.sign(&personal_message_hash(message))
    }

    /// Signs the digest without a prefix.
    pub fn sign(&self, digest: &Hash) -> Signature {
        let (signature, recovery) = self.0.sign_prehash_recoverable(&digest.0);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), v: 27 + recovery.to_byte() }
    }
}

/// Recovers the signer of that digest, without a prefix.
pub fn recover(digest: &[u8; 32], signature: &Signature) -> Option<Address> {
    let ecdsa = k256::ecdsa::Signature::from_scalars(signature.r, signature.s).ok()?;
    let recovery = RecoveryId::from_byte(signature.v.checked_sub(27)?)?;
    VerifyingKey::recover_from_prehash(digest, &ecdsa, recovery).ok().map(|key| address_of(&key))
}

fn address_of(key: &VerifyingKey) -> Address {
    Address::from_public_key(key.to_sec1_point(false).as_bytes()[1..].try_into().unwrap())
}

/// The other signature that is valid for the same digest and key.
pub fn with_high_s(signature: &Signature) -> Signature {
    let ecdsa = k256::ecdsa::Signature::from_scalars(signature.r, signature.s).unwrap();
    let (r, s) = ecdsa.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let (r, s) = high.split_bytes();
    Signature { r: r.into(), s: s.into(), v: 27 + 28 - signature.v }
}
