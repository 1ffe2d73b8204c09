//! Settings of paymasters.

use proto::{Address, EntryPointVersion};
use schemars::JsonSchema;
use serde::Deserialize;

/// A paymaster and its EntryPoint.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentSettings {
    /// Its chain, if there are several.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// The EntryPoint contract.
    #[schemars(with = "String")]
    pub entry_point: Address,
    /// Its version.
    #[schemars(with = "String", extend("enum" = ["0.6", "0.7", "0.8", "0.9"]))]
    pub version: EntryPointVersion,
    /// The paymaster contract, with a deposit in that EntryPoint.
    #[schemars(with = "String")]
    pub paymaster: Address,
    /// Gas for the paymaster's validation; also the maximum a client may echo. An operation with
    /// tens of thousands of bytes gets more, because its hashing needs more. Ignored on v0.6.
    #[serde(default = "paymaster_verification_gas_limit")]
    pub paymaster_verification_gas_limit: u64,
    /// Minimum gas for the paymaster's validation that a client may echo. Ignored on v0.6.
    #[serde(default = "min_paymaster_verification_gas_limit")]
    pub min_paymaster_verification_gas_limit: u64,
}

fn paymaster_verification_gas_limit() -> u64 {
    60_000
}

fn min_paymaster_verification_gas_limit() -> u64 {
    30_000
}
