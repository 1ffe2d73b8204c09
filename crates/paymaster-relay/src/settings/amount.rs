//! Amounts of native currency in settings.

use std::fmt;

use proto::Wei;
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Wei, as an integer or, since TOML's integers end at 2^63, a string of decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, JsonSchema)]
#[schemars(with = "String")]
pub struct WeiAmount(pub u128);

impl From<WeiAmount> for Wei {
    fn from(amount: WeiAmount) -> Self {
        Self(amount.0)
    }
}

/// A string, whose digits no reader rounds.
impl Serialize for WeiAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WeiAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = WeiAmount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wei: an integer, or a string of decimal digits")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<WeiAmount, E> {
        Ok(WeiAmount(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<WeiAmount, E> {
        let value = u64::try_from(value).map_err(|_| E::custom("an amount cannot be negative"))?;
        self.visit_u64(value)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WeiAmount, E> {
        if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(E::invalid_value(de::Unexpected::Str(text), &self));
        }
        text.parse().map(WeiAmount).map_err(E::custom)
    }
}
