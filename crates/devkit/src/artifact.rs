//! Reads the creation code from a compiled contract, in the format of Hardhat or forge.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use alloy_primitives::{Bytes, hex};
use serde::Deserialize;

use crate::DevkitError;

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytecode,
    /// Selectors in hex without 0x, by signature. Only forge writes them.
    #[serde(default, rename = "methodIdentifiers")]
    methods: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Bytecode {
    Hardhat(Bytes),
    Forge { object: Bytes },
}

/// The creation code, without constructor arguments.
pub(crate) fn creation_code(path: &Path) -> Result<Bytes, DevkitError> {
    read(path).map(|(code, _)| code)
}

/// The same for a contract compiled by forge, if it has the functions of these selectors. After an
/// update of the checkout the compiled contracts may be outdated.
pub(crate) fn creation_code_with(path: &Path, selectors: &[[u8; 4]]) -> Result<Bytes, DevkitError> {
    let (code, methods) = read(path)?;
    let is_there = |selector: &[u8; 4]| methods.values().any(|method| *method == hex::encode(selector));
    if !selectors.iter().all(is_there) {
        return Err(DevkitError::ArtifactOutdated { path: path.to_owned() });
    }
    Ok(code)
}

fn read(path: &Path) -> Result<(Bytes, BTreeMap<String, String>), DevkitError> {
    let text = fs::read(path).map_err(|_| DevkitError::ToolMissing { path: path.to_owned() })?;
    let artifact: Artifact = serde_json::from_slice(&text)
        .map_err(|error| DevkitError::BadArtifact { path: path.to_owned(), detail: error.to_string() })?;
    let (Bytecode::Hardhat(code) | Bytecode::Forge { object: code }) = artifact.bytecode;
    if code.is_empty() {
        let detail = "it has no creation code".to_owned();
        return Err(DevkitError::BadArtifact { path: path.to_owned(), detail });
    }
    Ok((code, artifact.methods))
}
