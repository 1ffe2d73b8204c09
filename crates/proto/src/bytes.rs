//! Byte strings, lists and texts whose bound is part of their type, so that no length from the wire
//! decides the size of an allocation.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::parse_error::ParseError;
use crate::{hex, limits};

/// The value is longer than its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes or items given.
    pub length: usize,
    /// Bytes or items allowed.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "length {} is over the limit of {}", self.length, self.limit)
    }
}

impl core::error::Error for TooLong {}

/// Something with a length that a [`Bounded`] can hold.
pub trait Measured {
    /// Bytes or items.
    fn length(&self) -> usize;
}

impl<T> Measured for Vec<T> {
    fn length(&self) -> usize {
        self.len()
    }
}

impl Measured for String {
    fn length(&self) -> usize {
        self.len()
    }
}

/// A value of at most `MAX` bytes (texts, byte strings) or items (lists).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Bounded<T, const MAX: usize>(T);

/// At most `MAX` bytes. As text, `0x` and two hex digits per byte.
pub type BoundedBytes<const MAX: usize> = Bounded<Vec<u8>, MAX>;
/// `callData` of an operation.
pub type CallData = BoundedBytes<{ limits::MAX_CALL_DATA }>;
/// `factoryData` of an operation.
pub type FactoryData = BoundedBytes<{ limits::MAX_FACTORY_DATA }>;
/// Paymaster data after the fixed fields.
pub type PaymasterData = BoundedBytes<{ limits::MAX_PAYMASTER_DATA }>;

impl<T: Measured, const MAX: usize> Bounded<T, MAX> {
    /// Takes the value if it is within the bound.
    pub fn new(value: T) -> Result<Self, TooLong> {
        match value.length() {
            length if length > MAX => Err(TooLong { length, limit: MAX }),
            _ => Ok(Self(value)),
        }
    }

    /// The value, no longer bounded.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T, const MAX: usize> Deref for Bounded<T, MAX> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Bounded<Vec<u8>, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::show(&self.0, f)
    }
}

impl<const MAX: usize> FromStr for Bounded<Vec<u8>, MAX> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        hex::parse_at_most(text, MAX).map(Self)
    }
}

impl<const MAX: usize> Serialize for Bounded<Vec<u8>, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bounded<Vec<u8>, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(D::Error::custom);
        }
        // The codec returns a slice of the frame, so the length is checked before anything is
        // copied.
        let bytes: &[u8] = Deserialize::deserialize(deserializer)?;
        within::<D::Error>(bytes.len(), MAX)?;
        Ok(Self(bytes.to_vec()))
    }
}

impl<const MAX: usize> Serialize for Bounded<String, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bounded<String, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            // Texts with escapes cannot be borrowed.
            return Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom);
        }
        let text: &str = Deserialize::deserialize(deserializer)?;
        within::<D::Error>(text.len(), MAX)?;
        Ok(Self(text.into()))
    }
}

/// A list of at most `MAX` items.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoundedList<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> BoundedList<T, MAX> {
    /// Takes the list if it is within the bound.
    pub fn new(items: Vec<T>) -> Result<Self, TooLong> {
        match items.len() {
            length if length > MAX => Err(TooLong { length, limit: MAX }),
            _ => Ok(Self(items)),
        }
    }

    /// Maps each item with `f`; the result has the same length, so the same bound holds.
    #[must_use]
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> BoundedList<U, MAX> {
        BoundedList(self.0.iter().map(f).collect())
    }
}

impl<T, const MAX: usize> Default for BoundedList<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for BoundedList<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// Items can be changed in place; a slice cannot grow.
impl<T, const MAX: usize> DerefMut for BoundedList<T, MAX> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Serialize, const MAX: usize> Serialize for BoundedList<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedList<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor::<T, MAX>(PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = BoundedList<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            within::<A::Error>(list.len() + 1, MAX)?;
            list.push(item);
        }
        Ok(BoundedList(list))
    }
}

fn within<E: de::Error>(length: usize, limit: usize) -> Result<(), E> {
    if length > limit { Err(E::custom(TooLong { length, limit })) } else { Ok(()) }
}
