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
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A relay key that the trusted application accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorisedSigner {
    /// The key's address.
    pub address: Address,
    /// What it may do.
    pub permissions: Permissions,
}
