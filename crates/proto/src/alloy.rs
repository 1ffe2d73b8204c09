//! Conversions to and from the types of alloy, for the host.

use alloy_primitives::{B256, U256};

use crate::number::Uint256;
use crate::primitives::{Address, Hash, IntentHash, PaymasterDigest, RequestDigest, TeeId, UserOpHash};

macro_rules! same_bytes {
    ($($ours:ty => $theirs:ty,)*) => {
        $(impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                Self(value.0)
            }
        }

        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                Self(value.0)
            }
        })*
    };
}

same_bytes! {
    Hash => B256,
    UserOpHash => B256,
    IntentHash => B256,
    RequestDigest => B256,
    PaymasterDigest => B256,
    TeeId => B256,
}

impl From<Address> for alloy_primitives::Address {
    fn from(address: Address) -> Self {
        Self::new(address.0)
    }
}

impl From<alloy_primitives::Address> for Address {
    fn from(address: alloy_primitives::Address) -> Self {
        Self(address.into_array())
    }
}

impl From<Uint256> for U256 {
    fn from(number: Uint256) -> Self {
        Self::from_be_bytes(number.0)
    }
}

impl From<U256> for Uint256 {
    fn from(number: U256) -> Self {
        Self(number.to_be_bytes())
    }
}
