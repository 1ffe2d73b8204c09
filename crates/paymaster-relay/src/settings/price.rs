//! Settings of the price of a chain's coin, and amounts in US dollars.

use std::fmt;

use proto::Address;
use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// US dollars have six decimals here.
const MICRO: u64 = 1_000_000;

/// The price of a chain's coin, for limits in US dollars: fixed, or read from a feed on that chain.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSettings {
    /// US dollars for one coin (10^18 wei), as a decimal string (`"2500.00"`).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub usd: Option<UsdAmount>,
    /// A contract with the price of the coin in US dollars, with the functions `latestRoundData`
    /// and `decimals` of Chainlink's feeds. Its answer is kept for 10 seconds.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub feed: Option<Address>,
    /// Seconds after which the feed's answer is refused as stale, by this host's clock: more than
    /// the feed's heartbeat.
    #[serde(default = "max_age_seconds")]
    pub max_age_seconds: u64,
}

/// Where the price comes from.
#[derive(Clone, Copy, Debug)]
pub enum PriceSource {
    /// A fixed price.
    Fixed(UsdAmount),
    /// A feed on the chain.
    Feed {
        /// Its address.
        feed: Address,
        /// Seconds after which its answer is stale.
        max_age: u64,
    },
}

impl PriceSettings {
    /// The source of the price.
    ///
    /// # Errors
    /// The problem, in words.
    pub(super) fn source(&self) -> Result<PriceSource, &'static str> {
        let Self { usd, feed, max_age_seconds } = self;
        match (usd, feed) {
            (Some(UsdAmount(0)), None) => Err("usd must be above 0"),
            (Some(usd), None) => Ok(PriceSource::Fixed(*usd)),
            (None, Some(_)) if *max_age_seconds == 0 => Err("max_age_seconds must be above 0"),
            (None, Some(feed)) => Ok(PriceSource::Feed { feed: *feed, max_age: *max_age_seconds }),
            (Some(_), Some(_)) => Err("usd and feed are both set: leave one out"),
            (None, None) => Err("set usd or feed"),
        }
    }
}

/// Micro-dollars: an amount in US dollars with at most six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct UsdAmount(pub u64);

/// Without trailing zeros: `12.5`.
impl fmt::Display for UsdAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / MICRO, self.0 % MICRO);
        match rest {
            0 => write!(f, "{whole}"),
            _ => write!(f, "{whole}.{}", format!("{rest:06}").trim_end_matches('0')),
        }
    }
}

impl Serialize for UsdAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UsdAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(UsdVisitor)
    }
}

struct UsdVisitor;

impl Visitor<'_> for UsdVisitor {
    type Value = UsdAmount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("US dollars: a string of decimal digits, with at most six decimals (\"2500.00\")")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<UsdAmount, E> {
        parse(text).map(UsdAmount).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn parse(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 6 {
        return None;
    }
    let micro: u64 = format!("{decimals:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(MICRO)?.checked_add(micro)
}

fn max_age_seconds() -> u64 {
    3900
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_written_to_the_sixth_decimal_and_no_further() {
        for (text, micro, written) in [
            ("2500.00", 2_500_000_000, "2500"),
            ("0.000001", 1, "0.000001"),
            ("12.5", 12_500_000, "12.5"),
            ("7", 7_000_000, "7"),
            ("0", 0, "0"),
        ] {
            assert_eq!((parse(text), UsdAmount(micro).to_string().as_str()), (Some(micro), written), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1.0000001", "1,5", "1e3", " 1", "1.2.3", "99999999999999999999"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
