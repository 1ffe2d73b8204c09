//! The EntryPoint versions that the devkit deploys, and their constants.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, address, b256};

use crate::DevkitError;

/// A version of the ERC-4337 EntryPoint; parsed and printed as `0.6`, `0.7`, `0.8`, `0.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryPointVersion {
    /// v0.6: `initCode`, `paymasterAndData`, gas in separate words.
    V06,
    /// v0.7: packed operations, a paymaster with its own gas limits.
    V07,
    /// v0.8: EIP-712 hashes and EIP-7702 accounts.
    V08,
    /// v0.9: the paymaster's signature may stay outside the hash.
    V09,
}

impl EntryPointVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 4] = [Self::V06, Self::V07, Self::V08, Self::V09];

    /// The version's address on public chains, and on the devkit's.
    #[must_use]
    pub const fn canonical_address(self) -> Address {
        match self {
            Self::V06 => address!("5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"),
            Self::V07 => address!("0000000071727De22E5E9d8BAf0edAc6f37da032"),
            Self::V08 => address!("4337084D9E255Ff0702461CF8895CE9E3b5Ff108"),
            Self::V09 => address!("433709009B8330FDa32311DF1C2AFA402eD8D009"),
        }
    }

    /// The CREATE2 salt for [`Self::canonical_address`]; none for v0.9, whose creation code is not
    /// on npm.
    pub(crate) fn salt(self) -> Option<B256> {
        match self {
            Self::V06 => Some(B256::ZERO),
            Self::V07 => Some(b256!("90d8084deab30c2a37c45e8d47f49f2f7965183cb6990a98943ef94940681de3")),
            Self::V08 => Some(b256!("0a59dbff790c23c976a548690c27297883cc66b4c67024f9117b0238995e35e9")),
            Self::V09 => None,
        }
    }

    /// The account-abstraction package, as named in contracts/package.json. That of v0.9 is a
    /// release candidate, used for its accounts.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::V06 => "aa-v06",
            Self::V07 => "aa-v07",
            Self::V08 => "aa-v08",
            Self::V09 => "aa-v09",
        }
    }

    /// The paymaster contract for the version.
    pub(crate) fn paymaster_contract(self) -> &'static str {
        match self {
            Self::V06 => "SuperPaymasterV06",
            Self::V07 | Self::V08 | Self::V09 => "SuperPaymasterV07",
        }
    }

    /// Whether the EntryPoint knows the factory `0x7702`.
    #[must_use]
    pub fn knows_eip7702(self) -> bool {
        matches!(self, Self::V08 | Self::V09)
    }
}

impl fmt::Display for EntryPointVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V06 => "0.6",
            Self::V07 => "0.7",
            Self::V08 => "0.8",
            Self::V09 => "0.9",
        })
    }
}

impl FromStr for EntryPointVersion {
    type Err = DevkitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| DevkitError::UnknownEntryPointVersion { given: text.to_owned() })
    }
}
