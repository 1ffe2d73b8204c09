//! secp256k1 signatures as Ethereum carries them.

use serde::{Deserialize, Serialize};

/// r ‖ s ‖ v, v being 27 or 28. Public data: it may be printed and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signature {
    /// Big-endian.
    pub r: [u8; 32],
    /// Big-endian, in the lower half of the order in every signature we make or take.
    pub s: [u8; 32],
    /// 27 or 28.
    pub v: u8,
}

impl Signature {
    /// Bytes of a serialised signature.
    pub const LENGTH: usize = 65;

    /// r ‖ s ‖ v.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [self.v; Self::LENGTH];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..64].copy_from_slice(&self.s);
        bytes
    }

    /// Takes r ‖ s ‖ v apart; `v` is not judged here.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..64]);
        Self { r, s, v: bytes[64] }
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = core::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self::from_bytes)
    }
}
