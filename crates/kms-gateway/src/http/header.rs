//! Values in headers.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::HeaderMap;

use super::error::ApiError;

/// A header that must be there.
pub(super) fn required<T: FromStr<Err: Display>>(headers: &HeaderMap, name: &str) -> Result<T, ApiError> {
    let value = headers.get(name).ok_or_else(|| ApiError::invalid_field(name, "missing"))?;
    let text = value.to_str().map_err(|_| ApiError::invalid_field(name, "not ASCII"))?;
    text.parse().map_err(|problem| ApiError::invalid_field(name, problem))
}
