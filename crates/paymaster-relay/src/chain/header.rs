//! The header of a block.

use alloy_primitives::{B256, U64, U256};
use proto::Hash;
use serde::Deserialize;

use super::{Block, ChainError};

/// The greatest number and time that a block may have: the database holds 63 bits, and one more is
/// the block to read next.
const LAST: u64 = (1 << 63) - 2;

/// The fields of a block that are looked at.
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
    /// [`ChainError::Node`] where number or time are such as no chain reaches: the database could
    /// not hold them.
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
            told => Err(ChainError::node(format!("the node was asked for block {asked}, and answered {told}"))),
        }
    }

    /// # Errors
    /// [`ChainError::Node`] where it has none, as a pending block.
    pub(super) fn hash(&self) -> Result<Hash, ChainError> {
        self.hash.map(|hash| Hash(hash.0)).ok_or_else(|| ChainError::node("the node has a block without a hash"))
    }

    /// Wei per gas; 0 where the chain has none.
    pub(super) fn base_fee(&self) -> u128 {
        self.base_fee_per_gas.unwrap_or_default().saturating_to()
    }
}

/// A block as parameters of JSON-RPC name it.
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
