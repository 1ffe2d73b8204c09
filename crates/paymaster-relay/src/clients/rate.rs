//! Rate limits: a token bucket, in whole seconds of the clock. Each process has its own, full after
//! a start.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A bucket holds this many parts per call, so that the refill per second of a rate per minute is a
/// whole number.
pub(super) const PARTS: u64 = 60;

/// Calls per minute, and the burst size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// Calls per minute after the burst.
    pub per_minute: u32,
    /// Calls in a burst.
    pub burst: u32,
}

impl Rate {
    /// The default of a publishable key, which always has a rate.
    pub const PUBLISHABLE: Self = Self::per_minute(600);

    /// A rate with a burst of the same size.
    #[must_use]
    pub const fn per_minute(calls: u32) -> Self {
        Self { per_minute: calls, burst: calls }
    }

    const fn capacity(self) -> u64 {
        self.burst as u64 * PARTS
    }
}

/// The text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected calls a minute, as in 600/min, with a burst if it differs, as in 600/min:50; both above 0")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (calls, burst) = text.split_once("/min").ok_or(InvalidRate)?;
        let count = |digits: &str| digits.parse().ok().filter(|count| *count > 0).ok_or(InvalidRate);
        let per_minute = count(calls)?;
        let burst = match burst.strip_prefix(':') {
            Some(burst) => count(burst)?,
            None if burst.is_empty() => per_minute,
            None => return Err(InvalidRate),
        };
        Ok(Self { per_minute, burst })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/min", self.per_minute)?;
        if self.burst == self.per_minute { Ok(()) } else { write!(f, ":{}", self.burst) }
    }
}

/// The remaining calls of a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    parts: u64,
    /// Unix seconds of the last refill.
    filled_at: u64,
}

impl Bucket {
    pub(super) const fn full(rate: Rate) -> Self {
        Self { rate, parts: rate.capacity(), filled_at: 0 }
    }

    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    /// The remaining parts.
    pub(super) const fn left(&self) -> u64 {
        self.parts
    }

    /// The used parts that have not been refilled.
    pub(super) const fn used(&self) -> u64 {
        self.rate.capacity() - self.parts
    }

    /// Refills the parts for the time since the last call.
    pub(super) fn fill(&mut self, now: u64) {
        // After the clock was set back, nothing is refilled, and time counts from there.
        let filled = now.saturating_sub(self.filled_at).saturating_mul(self.per_second());
        self.parts = self.parts.saturating_add(filled).min(self.rate.capacity());
        self.filled_at = now;
    }

    /// Takes one call.
    ///
    /// # Errors
    /// Seconds until the next call is available.
    pub(super) fn take(&mut self, now: u64) -> Result<(), u64> {
        self.fill(now);
        match self.parts.checked_sub(PARTS) {
            Some(left) => {
                self.parts = left;
                Ok(())
            }
            None => Err(self.seconds_for(PARTS - self.parts)),
        }
    }

    /// Seconds until this many more parts are refilled.
    pub(super) const fn seconds_for(&self, parts: u64) -> u64 {
        parts.div_ceil(self.per_second())
    }

    const fn per_second(&self) -> u64 {
        self.rate.per_minute as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_800_000_000;

    fn taken(bucket: &mut Bucket, now: u64, calls: usize) -> usize {
        (0..calls).filter(|_| bucket.take(now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_as_many_as_the_rate_says() {
        let mut bucket = Bucket::full(Rate { per_minute: 120, burst: 5 });
        assert_eq!(taken(&mut bucket, NOON, 9), 5);
        assert_eq!(taken(&mut bucket, NOON + 1, 9), 2);
        assert_eq!(taken(&mut bucket, NOON + 60, 9), 5, "no more than the burst is saved up");
    }

    #[test]
    fn a_refusal_says_after_how_many_seconds_a_call_passes() {
        for per_minute in [1, 7, 60, 90, 600] {
            let mut bucket = Bucket::full(Rate { per_minute, burst: 1 });
            bucket.take(NOON).unwrap();
            let wait = bucket.take(NOON).unwrap_err();
            assert!(bucket.take(NOON + wait - 1).is_err(), "{per_minute}");
            assert_eq!(bucket.take(NOON + wait), Ok(()), "{per_minute}");
        }
    }

    #[test]
    fn over_a_long_time_the_rate_is_exact() {
        let mut bucket = Bucket::full(Rate { per_minute: 7, burst: 2 });
        let passed: usize = (0..6000).map(|second| taken(&mut bucket, NOON + second, 3)).sum();
        assert_eq!(passed, 2 + 5999 * 7 / 60);
    }

    #[test]
    fn a_clock_that_is_set_back_fills_nothing_and_shuts_nobody_out() {
        let mut bucket = Bucket::full(Rate { per_minute: 60, burst: 1 });
        bucket.take(NOON + 86_400).unwrap();
        assert_eq!(bucket.take(NOON), Err(1));
        assert_eq!(bucket.take(NOON + 1), Ok(()));
    }

    #[test]
    fn a_rate_reads_as_it_is_written() {
        for (text, per_minute, burst) in [("600/min", 600, 600), ("60/min:5", 60, 5), ("1/min:4294967295", 1, u32::MAX)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate, rate.to_string()), (Rate { per_minute, burst }, text.to_owned()));
        }
        for wrong in [
            "",
            "600",
            "600/s",
            "/min",
            "0/min",
            "600/min:",
            "600/min:0",
            "600/minute",
            "-1/min",
            "600/min5",
            "4294967296/min",
        ] {
            assert_eq!(wrong.parse::<Rate>(), Err(InvalidRate), "{wrong}");
        }
    }
}
