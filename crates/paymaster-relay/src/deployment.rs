//! A deployment: our paymaster on its EntryPoint.

use proto::{Address, EntryPoint, EntryPointVersion};

use crate::settings::DeploymentSettings;

/// A paymaster of ours and the EntryPoint it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deployment {
    /// Chain, contract and version.
    pub entry_point: EntryPoint,
    /// The paymaster contract.
    pub paymaster: Address,
    /// Gas for the paymaster's validation, and the maximum a client may echo; zero on v0.6.
    pub verification_gas_limit: u128,
    /// The minimum a client may echo; zero on v0.6.
    pub min_verification_gas_limit: u128,
}

impl Deployment {
    /// A deployment on that chain (EIP-155 id).
    pub(crate) fn new(chain_id: u64, settings: &DeploymentSettings) -> Self {
        let has_gas_limits = settings.version > EntryPointVersion::V06;
        let limit = |gas: u64| if has_gas_limits { u128::from(gas) } else { 0 };
        Self {
            entry_point: EntryPoint { chain_id, address: settings.entry_point, version: settings.version },
            paymaster: settings.paymaster,
            verification_gas_limit: limit(settings.paymaster_verification_gas_limit),
            min_verification_gas_limit: limit(settings.min_paymaster_verification_gas_limit),
        }
    }
}
