//! ES256 public keys (P-256) in COSE encoding.

use crate::command::PasskeyPublicKey;
use crate::status::Status;

/// `{1: 2, 3: -7, -1: 1, -2: x, -3: y}` in CTAP2 canonical CBOR, up to x. Canonical CBOR allows no
/// other encoding of an ES256 key (WebAuthn Level 3, section 5.8.5).
const BEFORE_X: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
/// Between x and y.
const BEFORE_Y: [u8; 3] = [0x22, 0x58, 0x20];

/// Splits off the key: its coordinates, which need not be a point on the curve, and the rest.
///
/// # Errors
/// `PublicKeyInvalid` if it is not an ES256 key in this encoding, `AuthenticatorDataMalformed` if
/// it is truncated.
pub(super) fn split_cose(bytes: &[u8]) -> Result<(PasskeyPublicKey, &[u8]), Status> {
    let bytes = bytes.strip_prefix(&BEFORE_X).ok_or(Status::PublicKeyInvalid)?;
    let (x, bytes) = bytes.split_first_chunk().ok_or(Status::AuthenticatorDataMalformed)?;
    let bytes = bytes.strip_prefix(&BEFORE_Y).ok_or(Status::PublicKeyInvalid)?;
    let (y, rest) = bytes.split_first_chunk().ok_or(Status::AuthenticatorDataMalformed)?;
    Ok((PasskeyPublicKey { x: *x, y: *y }, rest))
}
