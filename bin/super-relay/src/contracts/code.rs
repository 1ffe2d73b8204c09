//! The creation code of the paymaster contracts, embedded by the build script
//! (docs/adr/0035-creation-code-in-the-program.md).

use alloy_primitives::{Bytes, hex};
use proto::EntryPointVersion;

const V06: &str = include_str!(concat!(env!("OUT_DIR"), "/SuperPaymasterV06.hex"));
const V07: &str = include_str!(concat!(env!("OUT_DIR"), "/SuperPaymasterV07.hex"));

/// The creation code of the contract for that version, without constructor arguments; `None` if the
/// contracts were not built before the program.
pub fn creation_code(version: EntryPointVersion) -> Option<Bytes> {
    parse(if version == EntryPointVersion::V06 { V06 } else { V07 })
}

fn parse(text: &str) -> Option<Bytes> {
    hex::decode(text.trim()).ok().filter(|code| !code.is_empty()).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_was_not_built_is_none() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("0x\n"), None);
        assert_eq!(parse("0x6001\n"), Some(Bytes::from([0x60, 0x01])));
    }

    #[test]
    fn after_the_contracts_were_built_every_version_has_its_code() {
        let [of_v06, of_v07] = [EntryPointVersion::V06, EntryPointVersion::V07].map(|version| {
            creation_code(version).expect("scripts/node-tools builds the contracts, before the program is built")
        });
        assert_ne!(of_v06, of_v07);
        assert_eq!(creation_code(EntryPointVersion::V09), Some(of_v07));
    }
}
