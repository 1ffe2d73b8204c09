//! Amounts of gas in settings.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// Units of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "u64")]
pub struct GasAmount(pub u128);

impl<'de> Deserialize<'de> for GasAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|gas| Self(gas.into()))
    }
}
