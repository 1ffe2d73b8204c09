//! Limits on open reservations, as an operator writes them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::amount::WeiAmount;

/// Limits on open reservations, each within one deployment. A reservation is open from the request until its operation was
/// mined or its window is over.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReservationSettings {
    /// Open reservations of one account. Accounts that no passkey proved are counted for each API key apart.
    pub max_per_account: u32,
    /// Wei. Worst-case costs of one account's open reservations together.
    pub max_wei_per_account: Option<WeiAmount>,
    /// Percent of the deposit for one account. A single reservation may exceed it.
    pub max_percent_per_account: u8,
    /// Open reservations of requests with one API key.
    pub max_per_api_key: u32,
    /// Wei. Worst-case costs of the open reservations of one API key together.
    pub max_wei_per_api_key: Option<WeiAmount>,
    /// Percent of the deposit for one API key. A single reservation may exceed it.
    pub max_percent_per_api_key: u8,
    /// Open reservations of all requests without a passkey together.
    pub max_unproven: u32,
    /// Wei. Worst-case costs of all open reservations without a passkey together.
    pub max_wei_unproven: Option<WeiAmount>,
    /// Percent of the deposit for all requests without a passkey together.
    pub max_percent_unproven: u8,
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
        }
    }
}
