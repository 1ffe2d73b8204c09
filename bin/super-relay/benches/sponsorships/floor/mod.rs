//! The floor: the cost of one sponsorship's cryptography alone, and of the trusted core alone.

mod cryptography;
mod trusted_core;

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Outcome;
use cryptography::Cryptography;
use trusted_core::TrustedCore;

/// Long enough for the clock, short enough that most samples are not interrupted.
const SAMPLE: Duration = Duration::from_micros(500);
const SAMPLES: usize = 400;

/// Times on one core.
pub struct Floor {
    /// One P-256 verification, key and DER included.
    pub verify: Duration,
    /// One secp256k1 recovery, down to the address.
    pub recover: Duration,
    /// One secp256k1 signature.
    pub sign: Duration,
    /// Every hash of one sponsorship, each once.
    pub hashes: Duration,
    /// The same checks as the host makes them, with C and assembly: one verification and
    /// [`Self::MORE_RECOVERIES`].
    pub checked_again: Duration,
    /// `Core::handle` of a Sponsor frame, over a store in memory.
    pub core: Duration,
}

impl Floor {
    /// Signatures of one sponsorship: relay, paymaster, account.
    pub const SIGNATURES: u32 = 3;
    /// Further recoveries: the gateway checks the signatures of paymaster and account.
    pub const MORE_RECOVERIES: u32 = 2;

    /// Measures on the core that this process is on.
    pub fn measure() -> Outcome<Self> {
        let mut core = TrustedCore::with_a_frame()?;
        let reply = core.handle()?;
        let cryptography = Cryptography::of(&core, reply)?;
        Ok(Self {
            verify: median(|| cryptography.verify())?,
            recover: median(|| cryptography.recover())?,
            sign: median(|| Ok(cryptography.sign()))?,
            hashes: median(|| Ok(cryptography.hashes()))?,
            checked_again: median(|| cryptography.verify_on_host())?
                + median(|| cryptography.recover_on_host())? * Self::MORE_RECOVERIES,
            core: median(|| core.handle())?,
        })
    }

    /// The cryptography of one sponsorship, each step once.
    pub fn cryptography(&self) -> Duration {
        self.verify + self.recover + self.sign * Self::SIGNATURES + self.hashes
    }
}

/// The median over many short samples: one that the kernel interrupted does not count.
fn median<T>(mut work: impl FnMut() -> Outcome<T>) -> Outcome<Duration> {
    let mut sample = |times: u32| -> Outcome<Duration> {
        let begun = Instant::now();
        for _ in 0..times {
            black_box(work()?);
        }
        Ok(begun.elapsed() / times)
    };
    let once = sample(100)?.max(Duration::from_nanos(1));
    let times = u32::try_from(SAMPLE.as_nanos() / once.as_nanos())?.max(1);
    let mut samples = (0..SAMPLES).map(|_| sample(times)).collect::<Outcome<Vec<_>>>()?;
    samples.sort_unstable();
    Ok(samples[SAMPLES / 2])
}
