//! What the user, the relay and the platform sign (protocol, sections 2.1, 2.2 and 2.7). What the admin signs is in
//! [`crate::typed_data`].

use crate::abi::{Argument, encode};
use crate::account_id::AccountId;
use crate::command::{PasskeyAssertion, Statement};
use crate::primitives::{Address, Hash, IntentHash, RequestDigest, UserOpHash, keccak256, keccak256_concat};

/// Separates what is attested from everything else that a platform may sign for a trusted application.
pub const ATTESTATION_DOMAIN: &str = "SuperRelay attestation v2";

/// `keccak256(H0 ‖ accountId as UTF-8)`: the challenge a passkey signs to approve an operation.
#[must_use]
pub fn intent_hash(hash: &UserOpHash, account_id: &AccountId) -> IntentHash {
    IntentHash(keccak256_concat(&[&hash.0, account_id.as_str().as_bytes()]).0)
}

/// `keccak256(abi.encode(bytes authenticatorData, bytes clientDataJSON, bytes signature))`; 32 zero bytes where there is
/// no assertion, which only a relay key with that permission may leave out.
#[must_use]
pub fn user_signature_hash(assertion: Option<&PasskeyAssertion>) -> Hash {
    assertion.map_or_else(Hash::default, |assertion| {
        keccak256(encode(&[
            Argument::Dynamic(&assertion.authenticator_data),
            Argument::Dynamic(&assertion.client_data_json),
            Argument::Dynamic(&assertion.signature),
        ]))
    })
}

/// `keccak256(abi.encode(bytes32 domain, bytes32 nonce, bytes32 teeId, bytes32 measurement, string version, uint64 counter,
/// address admin, address paymasterSigner, address standbyPaymasterSigner))`, where `domain` is the hash of
/// [`ATTESTATION_DOMAIN`] and an address is zero where there is none, as before provisioning: what the platform signs into a quote, so that it proves which keys live in which trusted application, to
/// whoever chose the nonce.
#[must_use]
pub fn attestation_challenge(nonce: &[u8; 32], statement: &Statement) -> Hash {
    let keys = statement.provisioned.as_ref();
    keccak256(encode(&[
        Argument::Static(&keccak256(ATTESTATION_DOMAIN)),
        Argument::Static(&Hash(*nonce)),
        Argument::Static(&statement.tee_id),
        Argument::Static(&statement.measurement),
        Argument::Dynamic(statement.version.as_bytes()),
        Argument::Static(&statement.counter),
        Argument::Static(&keys.map_or_else(Address::default, |keys| keys.admin)),
        Argument::Static(&keys.map_or_else(Address::default, |keys| keys.paymaster_signer)),
        Argument::Static(&keys.and_then(|keys| keys.standby_paymaster_signer).unwrap_or_default()),
    ]))
}

/// `keccak256(Ht ‖ accountId ‖ userSignatureHash ‖ uint64 nonce ‖ uint64 timestamp)`: what the relay approves.
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

/// The hash `personal_sign` signs for a 32-byte message (EIP-191, version 0x45).
#[must_use]
pub fn personal_message_hash(message: &[u8; 32]) -> Hash {
    keccak256_concat(&[b"\x19Ethereum Signed Message:\n32", message])
}
