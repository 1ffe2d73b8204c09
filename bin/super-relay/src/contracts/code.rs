//! The creation code of the paymaster contracts, which is in the repository
//! (docs/adr/0035-creation-code-in-the-repository.md).

use alloy_primitives::{Bytes, hex};
use proto::EntryPointVersion;

const V06: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/bytecode/SuperPaymasterV06.hex"));
const V07: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/bytecode/SuperPaymasterV07.hex"));

/// The creation code of the contract for that version, without constructor arguments; `None` if the
/// file is not hex, which a test excludes.
pub fn creation_code(version: EntryPointVersion) -> Option<Bytes> {
    let text = if version == EntryPointVersion::V06 { V06 } else { V07 };
    hex::decode(text.trim()).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_creation_code_is_that_of_the_contracts_as_built() {
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/out");
        for (version, name) in
            [(EntryPointVersion::V06, "SuperPaymasterV06"), (EntryPointVersion::V09, "SuperPaymasterV07")]
        {
            let file = out.join(format!("{name}.sol/{name}.json"));
            let text = std::fs::read_to_string(&file).expect("scripts/node-tools builds the contracts");
            let built: serde_json::Value = serde_json::from_str(&text).unwrap();
            let code = creation_code(version).unwrap().to_string();
            assert!(built["bytecode"]["object"] == code, "{name}: run scripts/paymaster-bytecode");
        }
    }
}
