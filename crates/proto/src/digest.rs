//! The digests that the user and the relay sign (protocol, sections 2.1 and 2.2). For the admin's
//! see [`crate::typed_data`], for the platform's [`crate::command::Statement`], for messages
//! [`crate::command::SignMessage`].

use alloc::string::ToString;

use crate::account_id::AccountId;
use crate::primitives::{Hash, IntentHash, RequestDigest, UserOpHash, keccak256_concat};

/// `keccak256(H0 ‖ accountId as UTF-8)`: the challenge a passkey signs to approve an operation.
#[must_use]
pub fn intent_hash(hash: &UserOpHash, account_id: &AccountId) -> IntentHash {
    IntentHash(keccak256_concat(&[&hash.0, account_id.as_str().as_bytes()]).0)
}

/// `keccak256(Ht ‖ accountId ‖ userSignatureHash ‖ uint64 nonce ‖ uint64 timestamp)`: what the
/// relay approves.
#[must_use]
pub fn request_digest(
    hash: &UserOpHash,
    account_id: &AccountId,
    user_signature_hash: &Hash,
    nonce: u64,
    timestamp: u64,
) -> RequestDigest {
    let digest = keccak256_concat(&[
        &hash.0,
        account_id.as_str().as_bytes(),
        &user_signature_hash.0,
        &nonce.to_be_bytes(),
        &timestamp.to_be_bytes(),
    ]);
    RequestDigest(digest.0)
}

/// The hash that `personal_sign` signs for a message (EIP-191, version 0x45).
#[must_use]
pub fn personal_message_hash(message: &[u8]) -> Hash {
    let length = message.len().to_string();
    keccak256_concat(&[b"\x19Ethereum Signed Message:\n", length.as_bytes(), message])
}
