//! Settings of the limits on what a policy spends over time.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::amount::WeiAmount;
use super::price::UsdAmount;

/// The longest window in seconds: about 100 years.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60;

/// A limit on what a policy spends in a window. A sponsorship counts with its worst case, in the
/// window in which it was reserved, and with what it cost once its block is final.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendLimitSettings {
    /// What is counted together: all of the `policy`; one `sender`; one `account`; or one
    /// `api_key`, and all requests without a key. A sender is counted separately for its account's
    /// passkey, for each API key and for requests without either; so is an account that a server
    /// names. With a publishable key, or without one, the account is the sender.
    pub per: Per,
    /// A fixed window in UTC: hour, day, week (from Monday), month, total, or a number of seconds,
    /// counted from 1970.
    #[schemars(with = "String")]
    pub window: Window,
    /// Wei. The maximum cost, on each chain. Counted in gwei.
    #[serde(default)]
    pub max_wei: Option<WeiAmount>,
    /// US dollars, as a decimal string. The maximum cost, on all chains together, at the price of
    /// each chain's coin when the operation is reserved (`chain.price`).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub max_usd: Option<UsdAmount>,
    /// The maximum number of operations, on all chains together.
    #[serde(default)]
    pub max_operations: Option<u64>,
    /// The maximum sum of all gas limits (as in the worst-case cost), on all chains together.
    #[serde(default)]
    pub max_gas: Option<u64>,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Everything under the policy.
    Policy,
    /// A sender.
    Sender,
    /// An account.
    Account,
    /// An API key.
    ApiKey,
}

impl Per {
    /// Its name in settings and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Sender => "sender",
            Self::Account => "account",
            Self::ApiKey => "api_key",
        }
    }
}

/// A fixed window in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// A calendar month.
    Month,
    /// All time.
    Total,
    /// That many seconds, counted from 1970.
    Seconds(u64),
}

impl Window {
    const NAMED: [(&str, Self); 5] = [
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("total", Self::Total),
    ];
}

/// As in settings and in the store; `3600 s` for seconds.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "{seconds} s"),
            named => f.write_str(Self::NAMED.iter().find(|(_, window)| window == named).map_or("", |(name, _)| name)),
        }
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Seconds(seconds) => serializer.serialize_u64(*seconds),
            named => serializer.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WindowVisitor)
    }
}

struct WindowVisitor;

impl Visitor<'_> for WindowVisitor {
    type Value = Window;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a window: hour, day, week, month, total, or a number of seconds from 1 to {LONGEST}")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Window, E> {
        match seconds {
            1..=LONGEST => Ok(Window::Seconds(seconds)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(seconds), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Window, E> {
        let unsigned = u64::try_from(seconds).map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))?;
        self.visit_u64(unsigned)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Window, E> {
        let named = Window::NAMED.iter().find(|(name, _)| *name == text).map(|(_, window)| *window);
        named.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
