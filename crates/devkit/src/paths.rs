//! The paths of the tools that `scripts/node-tools` installs.

use std::path::{Path, PathBuf};

use alloy_primitives::Address;

use crate::{DevkitError, EntryPointVersion};

/// The anvil binary and the compiled contracts of one checkout, checked to exist.
#[derive(Clone, Debug)]
pub struct Tools {
    anvil: PathBuf,
    contracts: PathBuf,
}

impl Tools {
    /// Looks for the tools below the repository's root.
    ///
    /// # Errors
    /// [`DevkitError::ToolMissing`] with the first missing file.
    pub fn locate(root: &Path) -> Result<Self, DevkitError> {
        let contracts = root.join("contracts");
        let anvil = contracts.join("node_modules/.bin/anvil");
        let tools = Self { anvil, contracts };

        present(&tools.anvil)?;
        for version in EntryPointVersion::ALL {
            for contract in ["EntryPoint", "SimpleAccountFactory"] {
                present(&tools.account_abstraction(version, contract))?;
            }
            present(&tools.paymaster(version))?;
        }
        present(&tools.predeployed(EntryPointVersion::V09.canonical_address()))?;
        Ok(tools)
    }

    /// The anvil binary.
    #[must_use]
    pub fn anvil(&self) -> &Path {
        &self.anvil
    }

    /// A compiled contract of the account-abstraction package of that version.
    pub(crate) fn account_abstraction(&self, version: EntryPointVersion, contract: &str) -> PathBuf {
        self.contracts.join("node_modules").join(version.package()).join(format!("artifacts/{contract}.json"))
    }

    /// The runtime code of the contract at that address on mainnet, from hardhat-predeploy.
    pub(crate) fn predeployed(&self, contract: Address) -> PathBuf {
        self.contracts.join(format!("node_modules/hardhat-predeploy/bin/{contract}.bytecode"))
    }

    /// The compiled paymaster that serves that version.
    pub(crate) fn paymaster(&self, version: EntryPointVersion) -> PathBuf {
        let contract = version.paymaster_contract();
        self.contracts.join(format!("out/{contract}.sol/{contract}.json"))
    }
}

fn present(path: &Path) -> Result<(), DevkitError> {
    if path.is_file() { Ok(()) } else { Err(DevkitError::ToolMissing { path: path.to_owned() }) }
}
