//! Lists of intents that a passkey approves together, in one ceremony (protocol, section 2.9).

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::bytes::BoundedList;
use crate::limits::MAX_INTENTS;
use crate::primitives::{Hash, IntentHash, keccak256, keccak256_concat};

/// Separates the hash of a list from every other digest that a passkey or a key signs.
const DOMAIN: &[u8] = b"SuperRelay intents v1";

/// 2 to [`MAX_INTENTS`] different intents, in the order that was approved. In JSON and on the wire
/// a list; one of another length or with duplicates does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IntentList(BoundedList<IntentHash, MAX_INTENTS>);

/// Why intents are no [`IntentList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidIntents {
    /// Fewer than two: a single intent is approved by its own hash.
    TooFew {
        /// Intents given.
        count: usize,
    },
    /// More than [`MAX_INTENTS`].
    TooMany {
        /// Intents given.
        count: usize,
    },
    /// One intent twice.
    Duplicate(IntentHash),
}

impl fmt::Display for InvalidIntents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { count } | Self::TooMany { count } => {
                write!(f, "expected 2 to {MAX_INTENTS} intents, found {count}")
            }
            Self::Duplicate(intent) => write!(f, "expected different intents, found {intent} twice"),
        }
    }
}

impl core::error::Error for InvalidIntents {}

impl IntentList {
    /// Takes the list if it has an allowed length and no duplicates.
    pub fn new(intents: Vec<IntentHash>) -> Result<Self, InvalidIntents> {
        let count = intents.len();
        if count < 2 {
            return Err(InvalidIntents::TooFew { count });
        }
        let list = BoundedList::new(intents).map_err(|_| InvalidIntents::TooMany { count })?;
        Self::of_distinct(list)
    }

    fn of_distinct(list: BoundedList<IntentHash, MAX_INTENTS>) -> Result<Self, InvalidIntents> {
        let mut left = &*list;
        while let [intent, rest @ ..] = left {
            if rest.contains(intent) {
                return Err(InvalidIntents::Duplicate(*intent));
            }
            left = rest;
        }
        Ok(Self(list))
    }

    /// The challenge that approves the whole list:
    /// `keccak256(keccak256("SuperRelay intents v1") ‖ intentHash ‖ intentHash ...)`.
    #[must_use]
    pub fn hash(&self) -> IntentHash {
        let Hash(domain) = keccak256(DOMAIN);
        let mut parts = Vec::with_capacity(self.len().saturating_add(1));
        parts.push(&domain[..]);
        parts.extend(self.iter().map(|intent| &intent.0[..]));
        IntentHash(keccak256_concat(&parts).0)
    }
}

impl Deref for IntentList {
    type Target = [IntentHash];

    fn deref(&self) -> &[IntentHash] {
        &self.0
    }
}

impl Serialize for IntentList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for IntentList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = BoundedList::<IntentHash, MAX_INTENTS>::deserialize(deserializer)?;
        match list.len() {
            count if count < 2 => Err(D::Error::custom(InvalidIntents::TooFew { count })),
            _ => Self::of_distinct(list).map_err(D::Error::custom),
        }
    }
}
