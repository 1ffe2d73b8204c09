//! Recovery of the signer of a secp256k1 signature.

use k256::ecdsa::{RecoveryId, Signature as Ecdsa, VerifyingKey};
use proto::digest::personal_message_hash;
use proto::{Address, Hash, Signature};

/// The address whose key signed `message` with `personal_sign` (EIP-191). `None` under the same
/// conditions as [`signer_of`].
pub(crate) fn personal_signer(message: &[u8; 32], signature: &Signature) -> Option<Address> {
    signer_of(&personal_message_hash(message), signature)
}

/// The address whose key signed the digest. `None` unless v is 27 or 28, r and s are in range and s
/// is low: only one of the two forms of a signature is accepted, so nobody can derive a second one
/// from the first.
pub(crate) fn signer_of(digest: &Hash, signature: &Signature) -> Option<Address> {
    let recovery = match signature.v {
        27 => RecoveryId::new(false, false),
        28 => RecoveryId::new(true, false),
        _ => return None,
    };
    let ecdsa = Ecdsa::from_scalars(signature.r, signature.s).ok()?;
    if ecdsa.normalize_s() != ecdsa {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(&digest.0, &ecdsa, recovery).ok()?;
    Some(address_of(&key))
}

/// The Ethereum address of a public key.
pub(crate) fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let mut coordinates = [0; 64];
    // The first byte only says that the point is uncompressed.
    for (to, from) in coordinates.iter_mut().zip(point.as_bytes().iter().skip(1)) {
        *to = *from;
    }
    Address::from_public_key(&coordinates)
}
