//! Relay keys and the permissions that the admin granted.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::BitOr;
use core::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::parse_error::ParseError;
use crate::primitives::Address;

/// A set of permissions, one bit each. As text, their names separated by commas; in JSON and TOML,
/// a list of the names. Bits without a name are not shown; the trusted application refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Permissions(pub u32);

impl Permissions {
    /// May have operations sponsored that a passkey of the account approved.
    pub const SPONSOR: Self = Self(1);
    /// May have operations signed with an account's key that a passkey of the account approved.
    pub const SIGN_USER_OPERATION: Self = Self(1 << 1);
    /// May have operations sponsored without any passkey; no account signature is made then.
    pub const SPONSOR_WITHOUT_PASSKEY: Self = Self(1 << 2);
    /// May rotate itself to a new key, with a proof that both keys sign.
    pub const ROTATE: Self = Self(1 << 3);
    /// All permissions.
    pub const ALL: Self = Self(0b1111);
    /// Every permission with its name in JSON and in typed data, in the order of their bits.
    pub const NAMES: [(Self, &str); 4] = [
        (Self::SPONSOR, "sponsor"),
        (Self::SIGN_USER_OPERATION, "sign_user_operation"),
        (Self::SPONSOR_WITHOUT_PASSKEY, "sponsor_without_passkey"),
        (Self::ROTATE, "rotate"),
    ];

    const EXPECTED: &'static str = "sponsor, sign_user_operation, sponsor_without_passkey, rotate";

    /// Whether every permission of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty, or has an undefined bit.
    #[must_use]
    pub const fn is_meaningless(self) -> bool {
        self.0 == 0 || self.0 & !Self::ALL.0 != 0
    }

    /// The names of the permissions in the set, in the order of their bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(permission, _)| self.contains(*permission)).map(|(_, name)| name)
    }

    /// The set of the permissions with these names.
    ///
    /// # Errors
    /// An unknown name.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ParseError> {
        names.into_iter().try_fold(Self::default(), |set, name| {
            Self::named(name)
                .map(|permission| set | permission)
                .ok_or(ParseError::NotOneOf { expected: Self::EXPECTED })
        })
    }

    /// The permission with this name; `None` for an unknown name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(permission, _)| permission)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names().enumerate().try_for_each(|(place, name)| {
            f.write_str(if place == 0 { "" } else { ", " })?;
            f.write_str(name)
        })
    }
}

/// Requires at least one name.
impl FromStr for Permissions {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::of_names(text.split(',').map(str::trim))
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_seq(self.names()) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let names = Vec::<Named>::deserialize(deserializer)?;
            Ok(names.into_iter().fold(Self::default(), |set, Named(permission)| set | permission))
        } else {
            u32::deserialize(deserializer).map(Self)
        }
    }
}

/// A single name of a list, so that an error has its position in the list.
struct Named(Permissions);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Permissions::of_names([name.as_str()]).map(Self).map_err(D::Error::custom)
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The record of a relay key that the trusted application accepts. Rotations replace the key; the
/// record remains until the admin revokes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorisedSigner {
    /// The record's number: the counter of the admin command that created it, so numbers are
    /// unique.
    pub record: u64,
    /// The address that the record was created for.
    pub authorised_as: Address,
    /// The address of the current key.
    pub address: Address,
    /// Its permissions.
    pub permissions: Permissions,
    /// Number of rotations so far.
    pub rotations: u64,
}
