//! Reading the creation code out of a compiled contract, as Hardhat or as forge writes it.

use std::fs;
use std::path::Path;

use alloy_primitives::Bytes;
use serde::Deserialize;

use crate::DevkitError;

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Bytecode {
    Hardhat(Bytes),
    Forge { object: Bytes },
}

/// The creation code, without constructor arguments.
pub(crate) fn creation_code(path: &Path) -> Result<Bytes, DevkitError> {
    let text = fs::read(path).map_err(|_| DevkitError::ToolMissing { path: path.to_owned() })?;
    let artifact: Artifact = serde_json::from_slice(&text)
        .map_err(|error| DevkitError::BadArtifact { path: path.to_owned(), detail: error.to_string() })?;
    let (Bytecode::Hardhat(code) | Bytecode::Forge { object: code }) = artifact.bytecode;
    if code.is_empty() {
        let detail = "it has no creation code".to_owned();
        return Err(DevkitError::BadArtifact { path: path.to_owned(), detail });
    }
    Ok(code)
}
