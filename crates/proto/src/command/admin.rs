//! Commands of the admin. Each is signed (EIP-191) over its typed challenge, which binds opcode, counter and every field.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Request;
use crate::abi::hash_words;
use crate::bytes::{Bounded, BoundedList};
use crate::digest::typed_challenge;
use crate::entry_point::EntryPoint;
use crate::limits;
use crate::primitives::{Address, Hash, Wei, keccak256};
use crate::signature::Signature;
use crate::signers::Permissions;

/// A command that an admin signs.
pub trait AdminRequest: Request {
    /// The counter it is meant for: one more than `VerifySecurityState` tells. A command that takes effect moves the
    /// counter in the same write, so no signature has an effect twice. After `StorageFailed` or `CounterFailed` it may have
    /// taken effect or not: `VerifySecurityState` tells.
    fn counter(&self) -> u64;

    /// `keccak256(abi.encode(...))` of the fields; a list stands as the hash of its items' hashes, as in EIP-712.
    fn fields_hash(&self) -> Hash;

    /// What is signed.
    fn challenge(&self) -> Hash {
        typed_challenge(Self::OPCODE, None, self.counter(), &self.fields_hash())
    }
}

/// The first command of a new trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provision {
    /// Whose signature admin commands need from now on, this one included.
    pub admin: Address,
    /// Where passkeys may come from.
    pub relying_parties: BoundedList<RelyingParty, { limits::MAX_RELYING_PARTIES }>,
    /// What is never exceeded, whatever host and relay say.
    pub ceilings: Ceilings,
    /// See [`AdminRequest::counter`]. 1: no command came before it.
    pub counter: u64,
    /// By `admin`.
    pub signature: Signature,
}

/// A relying party and the origins its ceremonies run at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// The domain, as the browser hashes it.
    pub id: Bounded<String, { limits::MAX_NAME }>,
    /// Scheme, host and port, compared as they are.
    pub origins: BoundedList<Bounded<String, { limits::MAX_NAME }>, { limits::MAX_RELYING_PARTIES }>,
}

/// Bounds on what the trusted application signs (property 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceilings {
    /// The only places it signs for.
    pub deployments: BoundedList<Deployment, { limits::MAX_DEPLOYMENTS }>,
    /// Worst case of one sponsored operation.
    pub max_cost: Wei,
    /// Seconds from the relay's timestamp to `validUntil`.
    pub max_window: u32,
}

/// A paymaster of ours and the EntryPoint it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deployment {
    /// Chain, contract and version.
    pub entry_point: EntryPoint,
    /// The paymaster contract.
    pub paymaster: Address,
}

/// Admits a relay key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeSigner {
    /// Its address.
    pub signer: Address,
    /// What it may do.
    pub permissions: Permissions,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Turns a relay key away, for good and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSigner {
    /// Its address.
    pub signer: Address,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Puts a new relay key in the place of another, which must be authorised. Both keys sign the challenge; unless the old
/// key has the permission to rotate itself, the admin signs it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateSigner {
    /// The key that leaves.
    pub current: Address,
    /// The key that takes its place, with the same permissions.
    pub next: Address,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By `current`.
    pub current_signature: Signature,
    /// By `next`.
    pub next_signature: Signature,
    /// By the admin.
    pub admin_signature: Option<Signature>,
}

/// Replaces the ceilings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCeilings {
    /// The new ones.
    pub ceilings: Ceilings,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

impl AdminRequest for Provision {
    fn counter(&self) -> u64 {
        self.counter
    }

    fn fields_hash(&self) -> Hash {
        let relying_parties = hash_list(&self.relying_parties, RelyingParty::hash);
        hash_words(&[&self.admin, &relying_parties, &self.ceilings.hash()])
    }
}

impl AdminRequest for AuthorizeSigner {
    fn counter(&self) -> u64 {
        self.counter
    }

    fn fields_hash(&self) -> Hash {
        hash_words(&[&self.signer, &self.permissions.0])
    }
}

impl AdminRequest for RevokeSigner {
    fn counter(&self) -> u64 {
        self.counter
    }

    fn fields_hash(&self) -> Hash {
        hash_words(&[&self.signer])
    }
}

impl AdminRequest for RotateSigner {
    fn counter(&self) -> u64 {
        self.counter
    }

    fn fields_hash(&self) -> Hash {
        hash_words(&[&self.current, &self.next])
    }
}

impl AdminRequest for SetCeilings {
    fn counter(&self) -> u64 {
        self.counter
    }

    fn fields_hash(&self) -> Hash {
        self.ceilings.hash()
    }
}

impl Ceilings {
    fn hash(&self) -> Hash {
        let deployments = hash_list(&self.deployments, Deployment::hash);
        hash_words(&[&deployments, &self.max_cost.0, &self.max_window])
    }
}

impl Deployment {
    fn hash(&self) -> Hash {
        let EntryPoint { chain_id, address, version } = &self.entry_point;
        hash_words(&[chain_id, address, &keccak256(version.as_str()), &self.paymaster])
    }
}

impl RelyingParty {
    fn hash(&self) -> Hash {
        let origins = hash_list(&self.origins, |origin| keccak256(origin.as_bytes()));
        hash_words(&[&keccak256(self.id.as_bytes()), &origins])
    }
}

fn hash_list<T>(items: &[T], hash: impl Fn(&T) -> Hash) -> Hash {
    let hashes: Vec<u8> = items.iter().flat_map(|item| hash(item).0).collect();
    keccak256(hashes)
}
