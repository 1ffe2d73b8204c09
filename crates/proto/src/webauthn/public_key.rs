//! ES256 public keys: P-256, as COSE encodes them.

use crate::command::PasskeyPublicKey;
use crate::status::Status;

/// `{1: 2, 3: -7, -1: 1, -2: x, -3: y}` in CTAP2 canonical CBOR, up to x. Canonical CBOR leaves no
/// other way to write an ES256 key (WebAuthn Level 3, section 5.8.5).
const BEFORE_X: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
/// Between x and y.
const BEFORE_Y: [u8; 3] = [0x22, 0x58, 0x20];

/// Splits the key off: its coordinates, which need not be a point of the curve, and what follows
/// it.
///
/// # Errors
/// `PublicKeyInvalid` if it is no ES256 key in this very encoding, `AuthenticatorDataMalformed` if
/// it is cut short.
pub(super) fn split_cose(bytes: &[u8]) -> Result<(PasskeyPublicKey, &[u8]), Status> {
    let bytes = bytes.strip_prefix(&BEFORE_X).ok_or(Status::PublicKeyInvalid)?;
    let (x, bytes) = bytes.split_first_chunk().ok_or(Status::AuthenticatorDataMalformed)?;
    let bytes = bytes.strip_prefix(&BEFORE_Y).ok_or(Status::PublicKeyInvalid)?;
    let (y, rest) = bytes.split_first_chunk().ok_or(Status::AuthenticatorDataMalformed)?;
    Ok((PasskeyPublicKey { x: *x, y: *y }, rest))
}
