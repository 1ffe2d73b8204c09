//! Bytes as text: `0x` and two digits per byte.

use alloc::vec::Vec;
use core::fmt;

use base16ct::{HexDisplay, mixed};

use crate::parse_error::ParseError;

/// The digits after `0x`.
pub fn digits(text: &str) -> Result<&str, ParseError> {
    text.strip_prefix("0x").ok_or(ParseError::NoPrefix)
}

/// Parses exactly `LENGTH` bytes.
pub fn parse_fixed<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], ParseError> {
    let mut bytes = [0; LENGTH];
    match mixed::decode(digits(text)?, &mut bytes) {
        Ok(decoded) if decoded.len() == LENGTH => Ok(bytes),
        _ => Err(ParseError::NotBytes { expected: LENGTH }),
    }
}

/// Parses at most `limit` bytes. A longer text is refused before it is decoded.
pub fn parse_at_most(text: &str, limit: usize) -> Result<Vec<u8>, ParseError> {
    let digits = digits(text)?;
    if digits.len() > limit.saturating_mul(2) {
        return Err(ParseError::TooManyBytes { limit });
    }
    if let Some((offset, found)) = digits.char_indices().find(|(_, digit)| !digit.is_ascii_hexdigit()) {
        return Err(ParseError::NotHex { found, offset });
    }
    mixed::decode_vec(digits).map_err(|_| ParseError::OddDigits)
}

/// Writes the bytes in lower case.
pub fn show(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "0x{:x}", HexDisplay(bytes))
}
