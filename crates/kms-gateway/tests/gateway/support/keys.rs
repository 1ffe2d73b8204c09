//! Relay and admin keys of a test.

use k256::ecdsa::SigningKey;
use proto::digest::personal_message_hash;
use proto::typed_data::TypedData;
use proto::{Address, Hash, Signature};
use secrecy::SecretSlice;

/// A key that approves requests.
pub struct RelayKey(SigningKey);

/// 32 random bytes.
pub fn secret() -> SecretSlice<u8> {
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes.into()
}

impl RelayKey {
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        Self(SigningKey::from_slice(&bytes).unwrap())
    }

    pub fn address(&self) -> Address {
        let point = self.0.verifying_key().to_sec1_point(false);
        Address::from_public_key(point.as_bytes()[1..].try_into().unwrap())
    }

    /// `personal_sign` over 32 bytes.
    pub fn personal_sign(&self, message: &[u8; 32]) -> Signature {
        self.sign(&personal_message_hash(message))
    }

    /// Signs the digest without a prefix.
    pub fn sign(&self, digest: &Hash) -> Signature {
        let (signature, recovery_id) = self.0.sign_prehash_recoverable(&digest.0);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), v: 27 + recovery_id.to_byte() }
    }

    pub fn sign_command(&self, command: &impl TypedData) -> Signature {
        self.sign(&command.digest())
    }
}
