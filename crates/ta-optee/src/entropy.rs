//! Randomness from OP-TEE's generator, the only source in the trusted application: signatures need
//! none (RFC 6979).

use optee_utee::Random;
use ta::{Entropy, EntropyError};

/// `TEE_GenerateRandom`, which panics the trusted application instead of failing.
pub(crate) struct TeeEntropy;

impl Entropy for TeeEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        Random::generate(bytes);
        Ok(())
    }
}
