//! Accounts whose code makes the calls of its `callData` and no other, and their proxies: each with
//! the source of its code. `tests/relay/account_code.rs` and Safe's end-to-end test deploy those
//! that are named by a hash from their npm packages, and compare it.
//!
//! An implementation has its own address or its EntryPoint's in its code (UUPS, `entryPoint()`), so
//! a hash is that of the code at the published address, which is the same on every chain.

use alloy_primitives::hex;
use proto::{Address, Hash};

use super::CallFunctions::{self, Safe, SafeModule, SimpleAccountV06, SimpleAccountV07, SimpleAccountV08};

/// What identifies code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Keccak-256 of the runtime code.
    Hash(Hash),
    /// An address that depends on the creation code (CREATE2), so that it is this code on every
    /// chain.
    Address(Address),
}

/// Code that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Implementation {
    pub(crate) identity: Identity,
    pub(crate) functions: CallFunctions,
}

const fn by_hash(functions: CallFunctions, hash: [u8; 32]) -> Implementation {
    Implementation { identity: Identity::Hash(Hash(hash)), functions }
}

const fn by_address(functions: CallFunctions, address: [u8; 20]) -> Implementation {
    Implementation { identity: Identity::Address(Address(address)), functions }
}

/// Implementations behind proxies, delegates, and modules. The table of docs/accounts.md says what
/// each is.
pub(crate) const IMPLEMENTATIONS: [Implementation; 10] = [
    // SimpleAccount v0.6, of the factory 0x9406Cc61…: @account-abstraction/contracts@0.6.0.
    by_hash(SimpleAccountV06, hex!("82a437911149039ccd41779a93168467ac416f8bd62bd32a2790bb258e50027f")),
    // SimpleAccount v0.7, of 0x91E60e06…: @account-abstraction/contracts@0.7.0.
    by_hash(SimpleAccountV07, hex!("7451513d9195948ec8f943beeaa7b7551371f1cbb89f984dbff998cdcb9acded")),
    // SimpleAccount v0.8, of 0x13E9ed32…: @account-abstraction/contracts@0.8.0.
    by_hash(SimpleAccountV08, hex!("689a90eff03926a12aedad2fc6d4fdbcbdd9ffac86e7d0d70ce6355961305c74")),
    // SimpleAccount of v0.9's release candidate: @account-abstraction/contracts@0.9.0-rc.1, its
    // factory deployed by 0x4e59b448… with salt 0.
    by_hash(SimpleAccountV08, hex!("589fdaa40c45e5ee86abe05e4c176fb1bb18a93bad82758c660008b0c692d75d")),
    // Simple7702Account v0.8, 0xe6Cae83B…: @account-abstraction/contracts@0.8.0.
    by_hash(SimpleAccountV08, hex!("cc7b633aef4b2543cb8f37522adf1a401f910f0f6b2430c1eecc11f401ccfcf3")),
    // Simple7702Account of v0.9's release candidate: @account-abstraction/contracts@0.9.0-rc.1.
    by_hash(SimpleAccountV08, hex!("56d95778c9c7e72191fbf1dbe4c4d5adf03f47eb541dd620977e7d62a9622369")),
    // Safe 1.4.1, 0x41675C09…: @safe-global/safe-contracts@1.4.1.
    by_hash(Safe, hex!("1fe2df852ba3299d6534ef416eefa406e56ced995bca886ab7a553e6d0c5e1c4")),
    // Safe4337Module 0.3.0 for EntryPoint v0.7, as compiled for @safe-global/safe-4337@0.3.0.
    by_hash(SafeModule, hex!("2aea997c4e3cf0e2f333025372e219abcfde81c21fc2f8fb066414a5685dd3e0")),
    // Safe4337Module 0.3.0, as deployed with Safe's factory: permissionless@0.4.1.
    by_address(SafeModule, hex!("75cf11467937ce3F2f357CE24ffc3DBF8fD5c226")),
    // Safe4337Module 0.2.0 for EntryPoint v0.6, the same.
    by_address(SafeModule, hex!("a581c4A4DB7175302464fF3C06380BC3270b4037")),
];

/// OpenZeppelin's `ERC1967Proxy`, as the factories above create it.
pub(super) const ERC_1967_PROXIES: [Hash; 3] = [
    // SimpleAccountFactory v0.6.
    Hash(hex!("0acbd632c56f6f227951f6c832b36177319145deddb8df3a12c3bcc91fbf49b3")),
    // SimpleAccountFactory v0.7.
    Hash(hex!("0cf33e42b59cd30ce43a3d95a9c4de2589047c5e0968708337764f9776097210")),
    // SimpleAccountFactory v0.8, and of v0.9's release candidate.
    Hash(hex!("41ee894da413cc99e8dec0a1784470eceb736845ad1591e06ff0ecdf0aca26c9")),
];

/// `SafeProxy` of SafeProxyFactory 1.4.1: @safe-global/safe-contracts@1.4.1.
pub(super) const SAFE_PROXIES: [Hash; 1] =
    [Hash(hex!("d7d408ebcd99b2b70be43e20253d6d92a8ea8fab29bd3be7f55b10032331fb4c"))];
