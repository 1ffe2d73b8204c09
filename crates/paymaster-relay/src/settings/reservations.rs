//! Settings of limits on open reservations.

use proto::Wei;
use schemars::JsonSchema;
use serde::Deserialize;

use super::amount::WeiAmount;

/// Default number of callers that share the unproven part: each gets the corresponding fraction.
const CALLERS: u8 = 4;

/// The fraction shared by publishable API keys and callers without a key: the other half is for
/// servers' keys.
const PUBLIC: u8 = 2;

/// Limits on open reservations, each within one deployment. A reservation is open from the request
/// until the block that mined its operation is final (`chain.confirmations`), or its window is
/// over.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReservationSettings {
    /// Open reservations of one account. Accounts without a proof by passkey are counted separately
    /// for each server's API key, and not at all with a publishable key or without one.
    pub max_per_account: u32,
    /// Wei. Sum of the worst-case costs of one account's open reservations.
    pub max_wei_per_account: Option<WeiAmount>,
    /// Percent of the deposit for one account. A single reservation may exceed it.
    pub max_percent_per_account: u8,
    /// Open reservations of requests with one API key.
    pub max_per_api_key: u32,
    /// Wei. Sum of the worst-case costs of one API key's open reservations.
    pub max_wei_per_api_key: Option<WeiAmount>,
    /// Percent of the deposit for one API key. A single reservation may exceed it.
    pub max_percent_per_api_key: u8,
    /// Open reservations of all requests without a passkey together.
    pub max_unproven: u32,
    /// Wei. Sum of the worst-case costs of all open reservations without a passkey.
    pub max_wei_unproven: Option<WeiAmount>,
    /// Percent of the deposit for all requests without a passkey together.
    pub max_percent_unproven: u8,
    /// Open reservations of requests without a passkey, of one API key, or of all callers without a
    /// key together. Unset: a quarter of `max_unproven`.
    pub max_unproven_per_caller: Option<u32>,
    /// Wei. Sum of their worst-case costs. Unset: a quarter of `max_wei_unproven`, if that is set,
    /// but no less than the largest `max_cost_per_operation` of the policies.
    pub max_wei_unproven_per_caller: Option<WeiAmount>,
    /// Percent of the deposit for those together. A single reservation may exceed it. Unset: a
    /// quarter of `max_percent_unproven`, rounded up.
    pub max_percent_unproven_per_caller: Option<u8>,
    /// Open reservations of requests without a passkey that anyone can make: with publishable API
    /// keys, or without a key, all together. The rest is left for servers' keys. Unset: half of
    /// `max_unproven`.
    pub max_unproven_public: Option<u32>,
    /// Wei. Sum of their worst-case costs. Unset: half of `max_wei_unproven`, if that is set, but
    /// no less than the largest `max_cost_per_operation` of the policies.
    pub max_wei_unproven_public: Option<WeiAmount>,
    /// Percent of the deposit for those together. A single reservation may exceed it. Unset: half
    /// of `max_percent_unproven`, rounded up.
    pub max_percent_unproven_public: Option<u8>,
    /// Maximum validity of a sponsorship without a passkey in seconds, during which its reservation
    /// is held. Unset: `relay.validity_seconds`.
    pub unproven_validity_seconds: Option<u64>,
}

impl Default for ReservationSettings {
    fn default() -> Self {
        Self {
            max_per_account: 16,
            max_wei_per_account: None,
            max_percent_per_account: 10,
            max_per_api_key: 10_000,
            max_wei_per_api_key: None,
            max_percent_per_api_key: 50,
            max_unproven: 1_000,
            max_wei_unproven: None,
            max_percent_unproven: 10,
            max_unproven_per_caller: None,
            max_wei_unproven_per_caller: None,
            max_percent_unproven_per_caller: None,
            max_unproven_public: None,
            max_wei_unproven_public: None,
            max_percent_unproven_public: None,
            unproven_validity_seconds: None,
        }
    }
}

impl ReservationSettings {
    pub(crate) fn unproven_per_caller(&self) -> u32 {
        self.max_unproven_per_caller.unwrap_or_else(|| self.unproven_part(CALLERS))
    }

    /// At least the cost of the largest operation that a policy allows.
    pub(crate) fn wei_unproven_per_caller(&self, largest: Wei) -> Option<WeiAmount> {
        self.max_wei_unproven_per_caller.or_else(|| self.wei_unproven_part(CALLERS, largest))
    }

    pub(crate) fn percent_unproven_per_caller(&self) -> u8 {
        self.max_percent_unproven_per_caller.unwrap_or_else(|| self.percent_unproven_part(CALLERS))
    }

    pub(crate) fn unproven_public(&self) -> u32 {
        self.max_unproven_public.unwrap_or_else(|| self.unproven_part(PUBLIC))
    }

    /// At least the cost of the largest operation that a policy allows.
    pub(crate) fn wei_unproven_public(&self, largest: Wei) -> Option<WeiAmount> {
        self.max_wei_unproven_public.or_else(|| self.wei_unproven_part(PUBLIC, largest))
    }

    pub(crate) fn percent_unproven_public(&self) -> u8 {
        self.max_percent_unproven_public.unwrap_or_else(|| self.percent_unproven_part(PUBLIC))
    }

    fn unproven_part(&self, parts: u8) -> u32 {
        self.max_unproven.div_ceil(parts.into()).max(1)
    }

    fn wei_unproven_part(&self, parts: u8, largest: Wei) -> Option<WeiAmount> {
        self.max_wei_unproven.map(|all| WeiAmount((all.0 / u128::from(parts)).max(largest.0)))
    }

    fn percent_unproven_part(&self, parts: u8) -> u8 {
        self.max_percent_unproven.div_ceil(parts).max(1)
    }
}
