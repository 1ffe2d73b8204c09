//! Block headers.

use alloy_primitives::{B256, U64, U256};
use proto::Hash;
use serde::Deserialize;

use super::{Block, ChainError};

/// The maximum number and time of a block: the database holds 63 bits, and the next block to read
/// is one more.
const LAST: u64 = (1 << 63) - 2;

/// The fields of a block that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    number: U64,
    timestamp: U64,
    hash: Option<B256>,
    /// EIP-1559.
    base_fee_per_gas: Option<U256>,
}

impl Header {
    /// # Errors
    /// [`ChainError::Node`] if number or time exceed any real chain's: the database could not hold
    /// them.
    pub(super) fn block(&self) -> Result<Block, ChainError> {
        let (number, timestamp) = (self.number.to(), self.timestamp.to());
        for (value, name) in [(number, "number"), (timestamp, "timestamp")] {
            if value > LAST {
                return Err(ChainError::node(format!("the node has a block whose {name} is {value}, over {LAST}")));
            }
        }
        Ok(Block { number, timestamp })
    }

    /// # Errors
    /// [`ChainError::Node`] for the header of another block.
    pub(super) fn check_number(&self, asked: u64) -> Result<(), ChainError> {
        match self.block()?.number {
            told if told == asked => Ok(()),
            told => Err(ChainError::node(format!("the node was asked for block {asked}, and returned {told}"))),
        }
    }

    /// # Errors
    /// [`ChainError::Node`] if it has none, like a pending block.
    pub(super) fn hash(&self) -> Result<Hash, ChainError> {
        self.hash.map(|hash| Hash(hash.0)).ok_or_else(|| ChainError::node("the node has a block without a hash"))
    }

    /// Wei per gas; 0 if the chain has none.
    pub(super) fn base_fee(&self) -> u128 {
        self.base_fee_per_gas.unwrap_or_default().saturating_to()
    }
}

/// A block number as a JSON-RPC parameter.
pub(super) fn tag_of(number: u64) -> String {
    format!("{number:#x}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_block_without_a_base_fee_has_one_of_0() {
        let base_fee = |header: Value| serde_json::from_value::<Header>(header).unwrap().base_fee();
        assert_eq!(base_fee(json!({ "number": "0x1", "timestamp": "0x2" })), 0);
        assert_eq!(base_fee(json!({ "number": "0x1", "timestamp": "0x2", "baseFeePerGas": null })), 0);
        assert_eq!(
            base_fee(json!({ "number": "0x1", "timestamp": "0x2", "baseFeePerGas": "0x3b9aca00" })),
            1_000_000_000
        );
    }
}
