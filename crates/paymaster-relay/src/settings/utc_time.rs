//! Times in settings.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::calendar;

/// A time of RFC 3339 in UTC, to the second: `2026-12-31T23:59:59Z`. As Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct UtcTime(pub u64);

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        calendar::parse_timestamp(&text).map(Self).ok_or_else(|| {
            let expected = "a time in UTC from 1970 on, in the form of 2026-12-31T23:59:59Z";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&calendar::timestamp(self.0))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unix time {}", self.0)
    }
}
