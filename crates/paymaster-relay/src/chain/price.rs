//! The price of a chain's coin: fixed, or read from a feed on the chain. A feed that fails, or
//! whose answer is stale, gives no price.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use super::{ChainError, EntryPointReader};
use crate::ports::Clock;
use crate::settings::PriceSource;

/// Seconds for which an answer of a feed is kept.
const KEPT: u64 = 10;
/// Seconds by which the chain's clock may be ahead of the host's.
const AHEAD: u64 = 60;
/// Micro-dollars have six decimals.
const DECIMALS: u32 = 6;

/// An answer of a price feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedAnswer {
    /// US dollars for one coin, with that many decimals; not positive if the feed is broken.
    pub answer: i128,
    /// The decimals of the answer.
    pub decimals: u8,
    /// Unix seconds; 0 if the round is not complete.
    pub updated_at: u64,
}

/// There is no price.
#[derive(Debug, Error)]
pub enum PriceError {
    /// The feed does not answer.
    #[error("the price feed does not answer: {0}")]
    Unanswered(#[from] ChainError),
    /// Its answer is older than allowed.
    #[error("the price is {age} s old, and may be {max_age} s old")]
    Stale {
        /// Seconds.
        age: u64,
        /// Seconds.
        max_age: u64,
    },
    /// Its answer is no price.
    #[error("the price feed answers {answer} with {decimals} decimals, updated at {updated_at}")]
    Invalid {
        /// The answer.
        answer: i128,
        /// Its decimals.
        decimals: u8,
        /// Unix seconds.
        updated_at: u64,
    },
}

/// The price of a chain's coin.
pub struct Price {
    source: PriceSource,
    reader: Arc<dyn EntryPointReader>,
    clock: Arc<dyn Clock>,
    /// The last answer, and when it was read.
    last: Mutex<Option<(FeedAnswer, u64)>>,
}

impl Price {
    pub(crate) fn new(source: PriceSource, reader: Arc<dyn EntryPointReader>, clock: Arc<dyn Clock>) -> Self {
        Self { source, reader, clock, last: Mutex::default() }
    }

    /// Micro-dollars for one coin, rounded up.
    ///
    /// # Errors
    /// [`PriceError`].
    pub(crate) async fn micro_usd(&self) -> Result<u64, PriceError> {
        let (feed, max_age) = match self.source {
            PriceSource::Fixed(usd) => return Ok(usd.0),
            PriceSource::Feed { feed, max_age } => (feed, max_age),
        };
        let now = self.clock.now();
        let kept = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match kept.filter(|(_, read_at)| (*read_at..read_at.saturating_add(KEPT)).contains(&now)) {
            Some((answer, _)) => answer,
            None => {
                let answer = self.reader.feed_answer(feed).await?;
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((answer, now));
                answer
            }
        };
        checked(answer, max_age, self.clock.now())
    }
}

fn checked(feed: FeedAnswer, max_age: u64, now: u64) -> Result<u64, PriceError> {
    let FeedAnswer { answer, decimals, updated_at } = feed;
    let invalid = || PriceError::Invalid { answer, decimals, updated_at };
    if updated_at == 0 || updated_at > now.saturating_add(AHEAD) {
        return Err(invalid());
    }
    let age = now.saturating_sub(updated_at);
    if age > max_age {
        return Err(PriceError::Stale { age, max_age });
    }
    let answer = u128::try_from(answer).ok().filter(|answer| *answer > 0).ok_or_else(invalid)?;
    let power = |exponent| 10u128.checked_pow(exponent);
    let micro = match u32::from(decimals).checked_sub(DECIMALS) {
        Some(more) => power(more).map(|divisor| answer.div_ceil(divisor)),
        None => power(DECIMALS - u32::from(decimals)).and_then(|factor| answer.checked_mul(factor)),
    };
    micro.and_then(|micro| u64::try_from(micro).ok()).filter(|micro| i64::try_from(*micro).is_ok()).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn at(answer: i128, decimals: u8, updated_at: u64) -> Result<u64, PriceError> {
        checked(FeedAnswer { answer, decimals, updated_at }, 3600, NOW)
    }

    #[test]
    fn a_price_is_rounded_up_to_a_millionth_of_a_dollar() {
        for (answer, decimals, expected) in [
            (250_000_000_001, 8, 2_500_000_001),
            (250_000_000_000, 8, 2_500_000_000),
            (2500, 0, 2_500_000_000),
            (2_500_000_000, 6, 2_500_000_000),
            (1, 18, 1),
        ] {
            assert_eq!(at(answer, decimals, NOW).unwrap(), expected, "{answer} {decimals}");
        }
    }

    #[test]
    fn what_is_stale_or_no_price_is_refused() {
        assert_eq!(at(1, 6, NOW - 3600).unwrap(), 1);
        assert!(matches!(at(1, 6, NOW - 3601), Err(PriceError::Stale { age: 3601, max_age: 3600 })));
        assert_eq!(at(1, 6, NOW + 60).unwrap(), 1);
        for (answer, decimals, updated_at) in [
            (0, 8, NOW),
            (-1, 8, NOW),
            (1, 8, 0),
            (1, 8, NOW + 61),
            (i128::MAX, 8, NOW),
            (i128::MAX, 0, NOW),
            (1, 255, NOW),
            (9_223_372_036_854_775_808, 6, NOW),
        ] {
            let refused = at(answer, decimals, updated_at);
            assert!(matches!(refused, Err(PriceError::Invalid { .. })), "{answer} {decimals} {updated_at} {refused:?}");
        }
    }
}
