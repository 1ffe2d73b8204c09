//! Conversion of ES256 public keys to p256's type.

use p256::Sec1Point;
use p256::ecdsa::VerifyingKey;
use proto::Status;
use proto::command::PasskeyPublicKey;

/// The key for verification; `PublicKeyInvalid` if it is not on the curve.
pub(super) fn verifying_key(key: &PasskeyPublicKey) -> Result<VerifyingKey, Status> {
    let point = Sec1Point::from_affine_coordinates(&key.x.into(), &key.y.into(), false);
    VerifyingKey::from_sec1_point(&point).map_err(|_| Status::PublicKeyInvalid)
}
