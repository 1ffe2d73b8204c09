//! A secp256k1 key outside of the TEE: an account's owner, or a relay.

use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::Signature;
use devkit::{Address, B256, Bytes, EntryPointVersion, U256};
use ethers_core::types::transaction::eip712::{Eip712 as _, TypedData};
use k256::ecdsa::SigningKey;
use proto::digest::personal_message_hash;
use proto::primitives::keccak256;

pub struct Key(SigningKey);

impl Key {
    /// Always the same key for the same seed.
    pub fn new(seed: u8) -> Self {
        Self::from_bytes(&[seed; 32])
    }

    pub fn from_bytes(secret: &[u8]) -> Self {
        Self(SigningKey::from_slice(secret).unwrap())
    }

    pub fn address(&self) -> Address {
        let point = self.0.verifying_key().to_sec1_point(false);
        Address::from_slice(&keccak256(&point.as_bytes()[1..]).0[12..])
    }

    /// r ‖ s ‖ v, v being 27 or 28.
    pub fn sign(&self, hash: &[u8; 32]) -> Bytes {
        let (signature, recovery_id) = self.0.sign_prehash_recoverable(hash);
        [&signature.to_bytes()[..], &[27 + recovery_id.to_byte()]].concat().into()
    }

    /// As a wallet signs with `eth_signTypedData_v4`; `None` if the text is not typed data. The
    /// digest is ethers'.
    pub fn sign_typed_data(&self, json: &str) -> Option<Bytes> {
        let typed_data: TypedData = serde_json::from_str(json).ok()?;
        Some(self.sign(&typed_data.encode_eip712().unwrap()))
    }

    /// EIP-191 over 32 bytes.
    pub fn personal_sign(&self, message: &[u8; 32]) -> Bytes {
        self.sign(&personal_message_hash(message).0)
    }

    /// EIP-7702, on the chain of these tests, as the account's first transaction.
    pub fn delegate_to(&self, delegate: Address) -> SignedAuthorization {
        let authorization = Authorization { chain_id: U256::from(31337), address: delegate, nonce: 0 };
        let signature = self.sign(&authorization.signature_hash().0);
        let signature = Signature::try_from(signature.as_ref()).unwrap();
        authorization.into_signed(signature)
    }

    /// As the SimpleAccount of that version checks it.
    pub fn sign_operation(&self, version: EntryPointVersion, user_op_hash: B256) -> Bytes {
        if version >= EntryPointVersion::V08 { self.sign(&user_op_hash.0) } else { self.personal_sign(&user_op_hash.0) }
    }
}
