//! An account owner that keeps its own key: nobody else signs for the account.

use alloy_primitives::{Address, B256, Bytes, eip191_hash_message, keccak256};
use k256::ecdsa::SigningKey;

use crate::error::DevkitError;
use crate::version::EntryPointVersion;

/// A secp256k1 key.
pub struct LocalOwner(SigningKey);

impl LocalOwner {
    /// Creates a new key.
    ///
    /// # Errors
    /// [`DevkitError::NoKey`] if the system has no randomness.
    pub fn create() -> Result<Self, DevkitError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| DevkitError::NoKey)?;
        SigningKey::from_slice(&secret).map(Self).map_err(|_| DevkitError::NoKey)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        let point = self.0.verifying_key().to_sec1_point(false);
        Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..])
    }

    /// r ‖ s ‖ v over an operation's hash, as the SimpleAccount of that version checks it: the hash
    /// itself from 0.8 on, a personal message before.
    #[must_use]
    pub fn sign_operation(&self, version: EntryPointVersion, user_op_hash: B256) -> Bytes {
        let signed = if version >= EntryPointVersion::V08 { user_op_hash } else { eip191_hash_message(user_op_hash) };
        let (signature, recovery_id) = self.0.sign_prehash_recoverable(&signed.0);
        [&signature.to_bytes()[..], &[27 + recovery_id.to_byte()]].concat().into()
    }
}
