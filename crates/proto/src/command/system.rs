//! The trusted application as a whole: queries that anyone may send.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::admin::{Ceilings, RelyingParty};
use super::reply_length::{HASH, LENGTH};
use crate::bytes::{Bounded, BoundedBytes, BoundedList};
use crate::limits;
use crate::primitives::{Address, Hash, TeeId};
use crate::signers::AuthorisedSigner;

/// Requests the wire version and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello;

/// The wire version and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaHello {
    /// [`crate::frame::VERSION`] of the trusted application.
    pub wire_version: u8,
    /// Length of the largest frame it accepts, in bytes.
    pub max_frame: u32,
    /// Length of the largest reply it gives, in bytes.
    pub max_reply: u32,
}

impl TaHello {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = 1 + 5 + 5;
}

/// Requests the same bytes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// Arbitrary bytes.
    pub bytes: BoundedBytes<{ limits::MAX_ECHO }>,
}

/// The bytes of an [`Echo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echoed {
    /// The bytes of the request.
    pub bytes: BoundedBytes<{ limits::MAX_ECHO }>,
}

impl Echoed {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = LENGTH + limits::MAX_ECHO;
}

/// Requests id, version and measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetVersion;

/// Id, version and measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaVersion {
    /// The TEE's id.
    pub tee_id: TeeId,
    /// Semantic version.
    pub version: Bounded<String, 32>,
    /// Measurement of the running code, by the platform.
    pub measurement: Hash,
}

impl TaVersion {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = HASH + 1 + 32 + HASH;
}

/// Requests the whole security state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySecurityState;

/// The phase, which decides the accepted commands.
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
    /// By the secure world's software: an attacker who controls the normal world cannot break it,
    /// but may undo changes.
    SecureWorld,
    /// By dedicated hardware, against replay too.
    Hardware,
}

/// Identity, state and protection of a trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityState {
    /// The TEE's id.
    pub tee_id: TeeId,
    /// Semantic version.
    pub version: Bounded<String, 32>,
    /// Measurement of the running code.
    pub measurement: Hash,
    /// The phase, which decides the accepted commands.
    pub phase: Phase,
    /// Admin commands that took effect; the next one is signed for one more.
    pub counter: u64,
    /// Confidentiality and integrity of stored data.
    pub storage: Protection,
    /// Whether an older snapshot of the storage is refused.
    pub rollback: Protection,
    /// Protection of the clock, which the trusted application does not use.
    pub time: Protection,
    /// The provisioned state; absent before provisioning.
    pub provisioned: Option<Provisioned>,
}

/// The state set by provisioning and admin commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// The key whose signature admin commands need.
    pub admin: Address,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Address,
    /// Address of the standby key that is to replace it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: BoundedList<AuthorisedSigner, { limits::MAX_SIGNERS }>,
    /// Where passkeys may come from.
    pub relying_parties: BoundedList<RelyingParty, { limits::MAX_RELYING_PARTIES }>,
    /// The current bounds.
    pub ceilings: Ceilings,
    /// Accounts created, counted against `ceilings.max_accounts`; those created before layout 3 of
    /// the sealed records are not counted. An account whose creation was interrupted may be counted
    /// without existing.
    pub accounts: u32,
}
