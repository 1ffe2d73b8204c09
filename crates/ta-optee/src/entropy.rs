//! Randomness from OP-TEE's generator. There is no other in the trusted application: signatures
//! need none (RFC 6979).

use optee_utee::Random;
use ta::{Entropy, EntropyError};

/// `TEE_GenerateRandom`, which ends the trusted application rather than give nothing.
pub(crate) struct TeeEntropy;

impl Entropy for TeeEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        Random::generate(bytes);
        Ok(())
    }
}
