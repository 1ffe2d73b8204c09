//! secp256k1 public key recovery, as strict as the trusted application's.

use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, VerifyingKey};
use proto::{Address, Hash, Signature};

/// The address whose key signed `hash`. `None` if `v` is not 27 or 28, `s` is in the upper half of
/// the order, or there is no matching point.
pub(crate) fn recover(hash: &Hash, signature: &Signature) -> Option<Address> {
    let recovery_id = RecoveryId::from_byte(signature.v.checked_sub(27)?).filter(|id| !id.is_x_reduced())?;
    let ecdsa = EcdsaSignature::from_scalars(signature.r, signature.s).ok()?;
    if ecdsa.normalize_s() != ecdsa {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(&hash.0, &ecdsa, recovery_id).ok()?;
    address_of(&key)
}

/// The address of a public key.
pub(crate) fn address_of(key: &VerifyingKey) -> Option<Address> {
    let point = key.to_sec1_point(false);
    let coordinates: &[u8; 64] = point.as_bytes().get(1..)?.try_into().ok()?;
    Some(Address::from_public_key(coordinates))
}
