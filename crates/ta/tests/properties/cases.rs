//! How many random cases a property is tried with.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

use crate::support::tape::is_recording;

/// So many cases, others every time; fewer for a recording, which are always the same.
pub fn cases(cases: u32, recorded: u32) -> ProptestConfig {
    let (cases, rng_seed) = if is_recording() { (recorded, RngSeed::Fixed(0x5eed)) } else { (cases, RngSeed::Random) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}
