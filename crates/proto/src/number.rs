//! Numbers: 256-bit words, amounts, and JSON-RPC hex quantities.

use alloc::format;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use base16ct::mixed;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::hex;
use crate::parse_error::ParseError;
use crate::text_serde;

/// A 256-bit unsigned integer, big-endian. It is only carried and hashed, never used in arithmetic.
///
/// As text, a quantity: `0x` and no leading zeros. Leading zeros are accepted when parsing, up to
/// 64 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uint256(pub [u8; 32]);

impl From<u128> for Uint256 {
    fn from(value: u128) -> Self {
        let mut word = [0; 32];
        word[16..].copy_from_slice(&value.to_be_bytes());
        Self(word)
    }
}

impl From<[u8; 32]> for Uint256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Uint256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Uint256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.iter().position(|byte| *byte != 0) {
            None => f.write_str("0x0"),
            Some(first) => {
                write!(f, "0x{:x}", self.0[first])?;
                self.0[first + 1..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for Uint256 {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = hex::digits(text)?.as_bytes();
        if digits.is_empty() {
            return Err(ParseError::NotQuantity);
        }
        let mut padded = [b'0'; 64];
        let start = padded.len().checked_sub(digits.len()).ok_or(ParseError::QuantityTooLarge { bits: 256 })?;
        padded[start..].copy_from_slice(digits);
        let mut word = [0; 32];
        mixed::decode(padded, &mut word).map_err(|_| ParseError::NotQuantity)?;
        Ok(Self(word))
    }
}

impl Serialize for Uint256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text_serde::serialize(serializer, self, &self.0)
    }
}

impl<'de> Deserialize<'de> for Uint256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_serde::deserialize(deserializer, Self)
    }
}

/// An amount of native currency, in wei. Displayed in decimal with its unit; parsed text, JSON and
/// TOML use a [`Quantity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wei(pub u128);

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wei", self.0)
    }
}

impl FromStr for Wei {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse().map(|Quantity(wei)| Self(wei))
    }
}

impl Serialize for Wei {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text_serde::serialize(serializer, &Quantity(self.0), &self.0)
    }
}

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(NumberVisitor::<Self, u128>(PhantomData))
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

impl From<u128> for Wei {
    fn from(wei: u128) -> Self {
        Self(wei)
    }
}

/// A JSON-RPC hex number: `0x` and no leading zeros, though they are accepted when parsing. In JSON
/// and TOML a whole number is accepted too. For fields that are a plain number on the wire and in
/// the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity<T>(pub T);

impl<T: Copy + Into<u128>> fmt::Display for Quantity<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0.into())
    }
}

impl<T: TryFrom<u128>> FromStr for Quantity<T> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = hex::digits(text)?;
        // `from_str_radix` would accept a sign.
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ParseError::NotQuantity);
        }
        let number = u128::from_str_radix(digits, 16).ok();
        number
            .and_then(|number| T::try_from(number).ok())
            .map(Self)
            .ok_or(ParseError::QuantityTooLarge { bits: bits::<T>() })
    }
}

impl<T> From<T> for Quantity<T> {
    fn from(number: T) -> Self {
        Self(number)
    }
}

impl<T: Copy + Into<u128>> Serialize for Quantity<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: TryFrom<u128>> Deserialize<'de> for Quantity<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor::<Self, T>(PhantomData))
    }
}

/// Deserialises a `V` from a whole number that fits into a `T`, or from text.
struct NumberVisitor<V, T>(PhantomData<(V, T)>);

impl<V, T> Visitor<'_> for NumberVisitor<V, T>
where
    V: From<T> + FromStr<Err = ParseError>,
    T: TryFrom<u128>,
{
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a hex quantity in a string")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<V, E> {
        T::try_from(u128::from(number)).map(V::from).map_err(|_| {
            let expected = format!("a number of at most {} bits", bits::<T>());
            E::invalid_value(de::Unexpected::Unsigned(number), &expected.as_str())
        })
    }

    /// TOML has signed integers only.
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<V, E> {
        let unsigned = u64::try_from(number);
        unsigned
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            .and_then(|number| self.visit_u64(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<V, E> {
        text.parse().map_err(E::custom)
    }
}

const fn bits<T>() -> usize {
    size_of::<T>() * 8
}
