//! The final EntryPoint v0.9, of which npm has the runtime code alone, as mainnet has it
//! (hardhat-predeploy).

use std::fs;

use alloy_primitives::{Address, B256, Bytes, address, b256};
use alloy_provider::Provider;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Anvil, DevkitError, EntryPointVersion, Tools};

/// A contract of the package.
struct Predeployed {
    address: Address,
    /// SHA-256 of its runtime code.
    digest: B256,
}

/// The EntryPoint and its SenderCreator: each has the other's address in its code.
const CONTRACTS: [Predeployed; 2] = [
    Predeployed {
        address: EntryPointVersion::V09.canonical_address(),
        digest: b256!("f0d229c3dc08a14b41cbd87911c96f9180a55c63aabae897a13aa6cf6f64299a"),
    },
    Predeployed {
        address: address!("0A630a99Df908A81115A3022927Be82f9299987e"),
        digest: b256!("c595adabcf5209e80dc8885eded4a1f460396a16f7e79c0fe5a81a92c0d5911b"),
    },
];

/// Sets the code of both contracts at their published addresses, and gives the EntryPoint's. Their
/// constructors write no storage; the EIP-712 domain is computed anew on a chain other than
/// mainnet.
///
/// # Errors
/// [`DevkitError::ToolMissing`] or [`DevkitError::BadArtifact`] if a file is missing or has other
/// code; those of any chain call.
pub(crate) async fn entry_point_v09(anvil: &Anvil, tools: &Tools) -> Result<Address, DevkitError> {
    for contract in &CONTRACTS {
        let request = (contract.address, contract.code(tools)?);
        let _: Value = anvil.provider().raw_request("anvil_setCode".into(), request).await?;
    }
    Ok(EntryPointVersion::V09.canonical_address())
}

impl Predeployed {
    fn code(&self, tools: &Tools) -> Result<Bytes, DevkitError> {
        let path = tools.predeployed(self.address);
        let code = fs::read(&path).map_err(|_| DevkitError::ToolMissing { path: path.clone() })?;
        let found = B256::from_slice(&Sha256::digest(&code));
        if found != self.digest {
            let detail = format!("its SHA-256 is {found}, not {}", self.digest);
            return Err(DevkitError::BadArtifact { path, detail });
        }
        Ok(code.into())
    }
}
