//! What a relay key may do, as the admin granted it.

use core::ops::BitOr;

use serde::{Deserialize, Serialize};

use crate::primitives::Address;

/// A set of permissions, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Permissions(pub u32);

impl Permissions {
    /// May have operations sponsored that a passkey of the account approved.
    pub const SPONSOR: Self = Self(1);
    /// May have operations signed with an account's key that a passkey of the account approved.
    pub const SIGN_USER_OPERATION: Self = Self(1 << 1);
    /// May have operations sponsored without any passkey; no account signature is made then.
    pub const SPONSOR_WITHOUT_PASSKEY: Self = Self(1 << 2);
    /// May hand its place to a new key, by a proof that both keys sign.
    pub const ROTATE: Self = Self(1 << 3);
    /// Every permission there is.
    pub const ALL: Self = Self(0b1111);
    /// Every permission with the name it has in JSON and in typed data, in the order of their bits.
    pub const NAMES: [(Self, &str); 4] = [
        (Self::SPONSOR, "sponsor"),
        (Self::SIGN_USER_OPERATION, "sign_user_operation"),
        (Self::SPONSOR_WITHOUT_PASSKEY, "sponsor_without_passkey"),
        (Self::ROTATE, "rotate"),
    ];

    /// Whether every permission of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty, or has a bit without a meaning.
    #[must_use]
    pub const fn is_meaningless(self) -> bool {
        self.0 == 0 || self.0 & !Self::ALL.0 != 0
    }

    /// The names of the permissions in the set, in the order of their bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(permission, _)| self.contains(*permission)).map(|(_, name)| name)
    }

    /// The permission of a name; `None` for a name that there is not.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(permission, _)| permission)
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The record of a relay key that the trusted application accepts. Rotations replace the key; the record stays until the
/// admin revokes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorisedSigner {
    /// The record's number: the counter of the admin command that made it, so no two records ever have the same.
    pub record: u64,
    /// The address that the record was made for.
    pub authorised_as: Address,
    /// The address of the key that is in it now.
    pub address: Address,
    /// What it may do.
    pub permissions: Permissions,
    /// How often the key was rotated.
    pub rotations: u64,
}
