//! Serde for values that are text in human-readable formats (JSON, TOML) and compact on the wire
//! (postcard).

use alloc::string::String;
use core::fmt::Display;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::parse_error::ParseError;

/// Serialises as text in a human-readable format, otherwise as `compact`.
pub fn serialize<S: Serializer>(
    serializer: S,
    value: &impl Display,
    compact: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() { serializer.collect_str(value) } else { compact.serialize(serializer) }
}

/// Deserialises from text in a human-readable format, otherwise from the compact form.
pub fn deserialize<'de, D, T, C>(deserializer: D, from_compact: impl FnOnce(C) -> T) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = ParseError>,
    C: Deserialize<'de>,
{
    if deserializer.is_human_readable() {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    } else {
        C::deserialize(deserializer).map(from_compact)
    }
}
