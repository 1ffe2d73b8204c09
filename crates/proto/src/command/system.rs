//! The trusted application as a whole: what anyone may ask.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::admin::{Ceilings, RelyingParty};
use super::reply_length::{HASH, LENGTH};
use crate::bytes::{Bounded, BoundedBytes, BoundedList};
use crate::limits;
use crate::primitives::{Address, Hash, TeeId};
use crate::signers::AuthorisedSigner;

/// Asks for the wire version and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello;

/// The wire version and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaHello {
    /// [`crate::frame::VERSION`] of the trusted application.
    pub wire_version: u8,
    /// Bytes of the largest frame it takes.
    pub max_frame: u32,
    /// Bytes of the largest reply it gives.
    pub max_reply: u32,
}

impl TaHello {
    /// Bytes of the longest.
    pub(super) const LONGEST: usize = 1 + 5 + 5;
}

/// Asks for the same bytes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// Any.
    pub bytes: BoundedBytes<{ limits::MAX_ECHO }>,
}

/// The bytes of an [`Echo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echoed {
    /// As given.
    pub bytes: BoundedBytes<{ limits::MAX_ECHO }>,
}

impl Echoed {
    /// Bytes of the longest.
    pub(super) const LONGEST: usize = LENGTH + limits::MAX_ECHO;
}

/// Asks for id, version and measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetVersion;

/// Id, version and measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaVersion {
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// Semantic version.
    pub version: Bounded<String, 32>,
    /// Of the code that runs, as the platform measures it.
    pub measurement: Hash,
}

impl TaVersion {
    /// Bytes of the longest.
    pub(super) const LONGEST: usize = HASH + 1 + 32 + HASH;
}

/// Asks for the whole security state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySecurityState;

/// Which commands are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Only `Provision`.
    Uninitialised,
    /// Everything else.
    Ready,
}

/// How well the platform protects something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protection {
    /// Not at all.
    None,
    /// By the secure world's software; an attacker who owns the normal world can't break it, but
    /// may undo it.
    SecureWorld,
    /// By hardware of its own, against replay too.
    Hardware,
}

/// What this trusted application is, holds and is protected by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityState {
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// Semantic version.
    pub version: Bounded<String, 32>,
    /// Of the code that runs.
    pub measurement: Hash,
    /// Which commands are accepted.
    pub phase: Phase,
    /// Admin commands that took effect; the next is signed for one more.
    pub counter: u64,
    /// Confidentiality and integrity of what is stored.
    pub storage: Protection,
    /// Whether an older snapshot of the storage is refused.
    pub rollback: Protection,
    /// Of the clock; the trusted application uses none.
    pub time: Protection,
    /// What provisioning set; absent before it.
    pub provisioned: Option<Provisioned>,
}

/// The state that provisioning and admin commands make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// Whose signature admin commands need.
    pub admin: Address,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Address,
    /// Address of the key that is to sign after it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: BoundedList<AuthorisedSigner, { limits::MAX_SIGNERS }>,
    /// Where passkeys may come from.
    pub relying_parties: BoundedList<RelyingParty, { limits::MAX_RELYING_PARTIES }>,
    /// The bounds in force.
    pub ceilings: Ceilings,
    /// Accounts made, against `ceilings.max_accounts`; those made before layout 3 of the sealed
    /// records are not counted. An account whose creation was interrupted may be counted without
    /// existing.
    pub accounts: u32,
}
