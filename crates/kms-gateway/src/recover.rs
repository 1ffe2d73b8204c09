//! secp256k1 public key recovery, as strict as the trusted application's, and addresses of keys.

pub(crate) use host_crypto::recover;
use k256::ecdsa::VerifyingKey;
use proto::Address;

/// The address of a public key.
pub(crate) fn address_of(key: &VerifyingKey) -> Option<Address> {
    let point = key.to_sec1_point(false);
    let coordinates: &[u8; 64] = point.as_bytes().get(1..)?.try_into().ok()?;
    Some(Address::from_public_key(coordinates))
}
