//! The forms that values have in this API's JSON and headers.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use serde::de::{self, Deserialize, Deserializer};

use super::error::ApiError;

/// A value that stands in a string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Text).map_err(de::Error::custom)
    }
}

/// A required header.
pub(super) fn header<T: FromStr<Err: fmt::Display>>(headers: &HeaderMap, name: &str) -> Result<T, ApiError> {
    let value = headers.get(name).ok_or_else(|| ApiError::invalid_field(name, "missing"))?;
    let text = value.to_str().map_err(|_| ApiError::invalid_field(name, "not ASCII"))?;
    text.parse().map_err(|problem| ApiError::invalid_field(name, problem))
}
