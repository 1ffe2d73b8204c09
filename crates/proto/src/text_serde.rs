//! Serde of values that are text where people read it (JSON, TOML) and compact on the wire
//! (postcard).

use alloc::string::String;
use core::fmt::Display;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::parse_error::ParseError;

/// The value as text in a format for people, else `compact`.
pub fn serialize<S: Serializer>(
    serializer: S,
    value: &impl Display,
    compact: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() { serializer.collect_str(value) } else { compact.serialize(serializer) }
}

/// The value from its text in a format for people, else from its compact form.
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
