//! secp256k1 in Ethereum's form: signing a hash, recovering the signer.

pub(crate) use host_crypto::recover;
use k256::ecdsa::{SigningKey, VerifyingKey};
use proto::{Address, Hash, Signature};

/// Signs a hash: RFC 6979, low s.
pub(crate) fn sign(key: &SigningKey, hash: &Hash) -> Signature {
    let (signature, recovery) = key.sign_prehash_recoverable(&hash.0);
    let (r, s) = signature.split_bytes();
    Signature { r: r.into(), s: s.into(), v: 27 + recovery.to_byte() }
}

/// The address of a public key.
pub(crate) fn address(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let mut coordinates = [0; 64];
    coordinates.copy_from_slice(&point.as_bytes()[1..]);
    Address::from_public_key(&coordinates)
}
