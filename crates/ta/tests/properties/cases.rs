//! The number of random cases for a property.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

use crate::support::tape::is_recording;

/// This many cases, different each time; fewer for a recording, where they are always the same.
pub fn cases(cases: u32, recorded: u32) -> ProptestConfig {
    let (cases, rng_seed) = if is_recording() { (recorded, RngSeed::Fixed(0x5eed)) } else { (cases, RngSeed::Random) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}
