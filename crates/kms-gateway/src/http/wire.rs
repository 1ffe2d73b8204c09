//! The forms that values have in this API's JSON and headers.

use std::fmt;
use std::marker::PhantomData;

use axum::http::HeaderMap;
use proto::command::PasskeyPublicKey;
use proto::json::invitation::SignedInvitation;
use proto::json::{address, bytes, hex_bytes, quantity};
use proto::{Address, Permissions, Signature, TeeId};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::error::ApiError;

/// A number, or a hex quantity in a string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantity<T>(pub T);

impl<'de, T: TryFrom<u128>> Deserialize<'de> for Quantity<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor(PhantomData))
    }
}

struct QuantityVisitor<T>(PhantomData<T>);

impl<T: TryFrom<u128>> Visitor<'_> for QuantityVisitor<T> {
    type Value = Quantity<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a hex quantity in a string")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        T::try_from(u128::from(value)).map(Quantity).map_err(|_| E::custom("the quantity is too large"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = quantity(text).map_err(E::custom)?;
        T::try_from(value).map(Quantity).map_err(|_| E::custom("the quantity is too large"))
    }
}

/// A value that stands in a string, with the parser that reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub T);

/// Read from a string.
pub(super) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        T::from_text(&text).map(Text).map_err(de::Error::custom)
    }
}

impl FromText for Address {
    fn from_text(text: &str) -> Result<Self, String> {
        address(text)
    }
}

/// As a relay writes it.
impl FromText for SignedInvitation {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for TeeId {
    fn from_text(text: &str) -> Result<Self, String> {
        let bytes = bytes::<32>(text)?;
        let id = <[u8; 32]>::try_from(bytes.as_slice());
        id.map(Self).map_err(|_| format!("expected 32 bytes in hex, not {}", bytes.len()))
    }
}

/// r ‖ s ‖ v in hex.
impl FromText for Signature {
    fn from_text(text: &str) -> Result<Self, String> {
        let bytes = bytes::<{ Self::LENGTH }>(text)?;
        Self::try_from(&**bytes).map_err(|_| format!("expected {} bytes in hex", Self::LENGTH))
    }
}

/// SEC1, uncompressed, in hex: 04 ‖ x ‖ y.
impl FromText for PasskeyPublicKey {
    fn from_text(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected 65 bytes in hex, 04 and two coordinates";
        let bytes = bytes::<65>(text)?;
        let Some((&4, coordinates)) = bytes.split_first() else {
            return Err(EXPECTED.into());
        };
        let (x, y) = coordinates.split_at_checked(32).ok_or(EXPECTED)?;
        Ok(Self { x: x.try_into().map_err(|_| EXPECTED)?, y: y.try_into().map_err(|_| EXPECTED)? })
    }
}

/// As [`FromText`] reads it.
pub(super) fn public_key_text(key: &PasskeyPublicKey) -> String {
    hex_bytes(&[&[4], key.x.as_slice(), &key.y].concat())
}

/// A required header.
pub(super) fn header<T: FromText>(headers: &HeaderMap, name: &str) -> Result<T, ApiError> {
    let value = headers.get(name).ok_or_else(|| ApiError::invalid_field(name, "missing"))?;
    let text = value.to_str().map_err(|_| ApiError::invalid_field(name, "not ASCII"))?;
    T::from_text(text).map_err(|problem| ApiError::invalid_field(name, problem))
}

/// The set that names stand for, as `permissions` of `POST /admin/authorize-signer`.
///
/// # Errors
/// The names that there are.
pub fn permissions<T: AsRef<str>>(names: &[T]) -> Result<Permissions, String> {
    names.iter().try_fold(Permissions::default(), |set, name| Ok(set | Permissions::from_text(name.as_ref())?))
}

impl FromText for Permissions {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::named(text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.names().collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}
