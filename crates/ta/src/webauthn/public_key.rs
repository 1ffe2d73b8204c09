//! ES256 public keys: P-256, as COSE encodes them and as p256 takes them.

use p256::Sec1Point;
use p256::ecdsa::VerifyingKey;
use proto::Status;
use proto::command::PasskeyPublicKey;

/// `{1: 2, 3: -7, -1: 1, -2: x, -3: y}` in CTAP2 canonical CBOR, up to x.
const BEFORE_X: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
/// Between x and y.
const BEFORE_Y: [u8; 3] = [0x22, 0x58, 0x20];
/// Bytes of the whole. Canonical CBOR leaves no other way to write an ES256 key (WebAuthn Level 3, section 5.8.5).
pub(super) const COSE_LENGTH: usize = BEFORE_X.len() + 32 + BEFORE_Y.len() + 32;

/// The key, if it is one: in this very encoding and on the curve.
pub(super) fn from_cose(bytes: &[u8]) -> Result<PasskeyPublicKey, Status> {
    let key = coordinates(bytes).ok_or(Status::PublicKeyInvalid)?;
    verifying_key(&key)?;
    Ok(key)
}

fn coordinates(bytes: &[u8]) -> Option<PasskeyPublicKey> {
    let (x, rest) = bytes.strip_prefix(&BEFORE_X)?.split_first_chunk()?;
    let y = rest.strip_prefix(&BEFORE_Y)?;
    Some(PasskeyPublicKey { x: *x, y: y.try_into().ok()? })
}

/// The key for verifying; `PublicKeyInvalid` if it is not on the curve.
pub(super) fn verifying_key(key: &PasskeyPublicKey) -> Result<VerifyingKey, Status> {
    let point = Sec1Point::from_affine_coordinates(&key.x.into(), &key.y.into(), false);
    VerifyingKey::from_sec1_point(&point).map_err(|_| Status::PublicKeyInvalid)
}
