//! 32 secret bytes that cannot be printed and are wiped when dropped.

use proto::Status;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ports::Entropy;

/// Key material. It leaves memory only inside a sealed record.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// Draws new material from the platform.
    pub(crate) fn draw(entropy: &mut impl Entropy) -> Result<Self, Status> {
        let mut secret = Self([0; 32]);
        entropy.fill(&mut secret.0)?;
        // A source that reports success but fills nothing must not give everyone the same key.
        if secret.0 == [0; 32] {
            return Err(Status::EntropyFailed);
        }
        Ok(secret)
    }
}

impl From<[u8; 32]> for Secret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
