//! The protection that a TEE must report before anything is signed with it.

use kms_api::status::TaKey;
use proto::command::{Protection, SecurityState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The least that the TEE must report. A TEE that reports less is not used: the gateway doesn't
/// start, and signs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequiredProtection {
    /// Protection of the TEE's storage against being read or changed: `none`, `secureWorld` or
    /// `hardware`.
    #[schemars(with = "ProtectionName")]
    pub storage: Level,
    /// Protection against an older copy of the storage being restored; unset it is `none`. The
    /// production profile requires it to be set, even if to `none`: without it an older copy
    /// revives revoked keys, and OP-TEE may lose all it has sealed when its supplicant is killed.
    #[schemars(with = "Option<ProtectionName>")]
    pub rollback: Option<Level>,
    /// Protection of the TEE's clock, which nothing relies on.
    #[schemars(with = "ProtectionName")]
    pub time: Level,
    /// Refuse a trusted application signed with the development key, which everybody has.
    pub own_ta_key: bool,
}

/// A [`Protection`]; none by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(pub Protection);

impl Default for Level {
    fn default() -> Self {
        Self(Protection::None)
    }
}

/// Its name in the settings.
pub(crate) const fn name(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "none",
        Protection::SecureWorld => "secureWorld",
        Protection::Hardware => "hardware",
    }
}

/// A level of protection.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "names the values in the configuration reference")]
enum ProtectionName {
    /// Not at all.
    None,
    /// By the secure world's software.
    SecureWorld,
    /// By hardware.
    Hardware,
}

/// The TEE reports less than required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InsufficientProtection {
    /// A level is too low.
    #[error(
        "the TEE reports {} for {what}, and {} is required (kms.required_protection.{what})", name(*reported), name(*required)
    )]
    Level {
        /// `storage`, `rollback` or `time`.
        what: &'static str,
        /// Required by the settings.
        required: Protection,
        /// Reported by the TEE.
        reported: Protection,
    },
    /// Not signed with the operator's own key.
    #[error(
        "the trusted application does not say that its operator's own key signed it (TA_KEY=path make ta), which \
         kms.required_protection.own_ta_key requires"
    )]
    Key,
}

/// The most that a kind of TEE can report about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtMost {
    /// Protection of stored data against being read or changed.
    pub storage: Protection,
    /// Protection against an older copy of it.
    pub rollback: Protection,
    /// Protection of its clock.
    pub time: Protection,
    /// Whether the trusted application is signed, possibly with the operator's own key.
    pub own_ta_key: bool,
}

impl AtMost {
    /// A TEE that does not protect its data from its host.
    pub const NOTHING: Self =
        Self { storage: Protection::None, rollback: Protection::None, time: Protection::None, own_ta_key: false };
    /// A TEE that may run on hardware with all of these protections.
    pub const HARDWARE: Self = Self {
        storage: Protection::Hardware,
        rollback: Protection::Hardware,
        time: Protection::Hardware,
        own_ta_key: true,
    };
}

impl RequiredProtection {
    /// Whether a TEE with at most this protection may meet the requirements.
    #[must_use]
    pub fn may_be_met_by(&self, at_most: &AtMost) -> bool {
        let own_ta_key = !self.own_ta_key || at_most.own_ta_key;
        let levels = [
            (self.storage, at_most.storage),
            (self.rollback.unwrap_or_default(), at_most.rollback),
            (self.time, at_most.time),
        ];
        own_ta_key && levels.into_iter().all(|(Level(required), most)| required <= most)
    }

    /// Checks the TEE's report against the requirements.
    ///
    /// # Errors
    /// The first requirement that is not met.
    pub fn check(&self, state: &SecurityState) -> Result<(), InsufficientProtection> {
        let levels = [
            ("storage", self.storage, state.storage),
            ("rollback", self.rollback.unwrap_or_default(), state.rollback),
            ("time", self.time, state.time),
        ];
        for (what, Level(required), reported) in levels {
            if reported < required {
                return Err(InsufficientProtection::Level { what, required, reported });
            }
        }
        if self.own_ta_key && TaKey::of_version(&state.version) != Some(TaKey::Own) {
            return Err(InsufficientProtection::Key);
        }
        Ok(())
    }
}
