//! secp256k1 in Ethereum's form: signing a hash, recovering the signer.

use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, SigningKey, VerifyingKey};
use proto::{Address, Hash, Signature};

/// Signs a hash: RFC 6979, low s.
pub(crate) fn sign(key: &SigningKey, hash: &Hash) -> Signature {
    let (signature, recovery) = key.sign_prehash_recoverable(&hash.0);
    let (r, s) = signature.split_bytes();
    Signature { r: r.into(), s: s.into(), v: 27 + recovery.to_byte() }
}

/// The signer of a hash; `None` for an invalid signature: v other than 27 or 28, or a high s.
pub(crate) fn recover(hash: &Hash, signature: &Signature) -> Option<Address> {
    let recovery = RecoveryId::from_byte(signature.v.checked_sub(27)?).filter(|id| !id.is_x_reduced())?;
    let parsed = EcdsaSignature::from_scalars(signature.r, signature.s).ok()?;
    if parsed.normalize_s() != parsed {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(&hash.0, &parsed, recovery).ok()?;
    Some(address(&key))
}

/// The address of a public key.
pub(crate) fn address(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let mut coordinates = [0; 64];
    coordinates.copy_from_slice(&point.as_bytes()[1..]);
    Address::from_public_key(&coordinates)
}
