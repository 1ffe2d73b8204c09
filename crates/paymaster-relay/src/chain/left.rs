//! Simulates an account's creation and reads what it leaves (`eth_simulateV1`): a block with the
//! creation and a reading of the account's code, and one in which the account's code is replaced by
//! code that reads its slots.

use alloy_primitives::{Address as EthAddress, B256, Bytes, U64, address, hex};
use alloy_provider::transport::{RpcError, TransportErrorKind};
use alloy_sol_types::{SolCall, sol};
use proto::Address;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ChainError;
use super::node::Node;

sol! {
    /// `SenderCreator`, by which the EntryPoint calls factories.
    function createSender(bytes initCode) returns (address sender);
}

/// Where the simulation has the code that reads code: nobody has a key or contract here.
const CODE_READER: EthAddress = address!("5c0de5c0de5c0de5c0de5c0de5c0de5c0de5c0de");
/// Returns the code of the address in its input: `EXTCODECOPY` of `EXTCODESIZE`.
const READS_CODE: [u8; 15] = hex!("6000 35 80 3b 80 6000 6000 84 3c 6000 f3");

/// An account that is created and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct AfterCreation<'a> {
    /// The account.
    pub(super) sender: Address,
    /// Its slots that are read, at most 7.
    pub(super) slots: &'a [B256],
    /// Of the operation; 0 if it is not known yet.
    pub(super) verification_gas_limit: u128,
}

/// What a factory leaves.
#[derive(Debug)]
pub(super) struct Left {
    /// The account's runtime code.
    pub(super) code: Bytes,
    /// Its slots, in the order in which they were asked for.
    pub(super) slots: Vec<B256>,
}

/// A block of `eth_simulateV1`.
#[derive(Debug, Deserialize)]
pub(super) struct SimulatedBlock {
    calls: Vec<Simulated>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Simulated {
    status: U64,
    return_data: Bytes,
}

impl AfterCreation<'_> {
    /// The parameter of `eth_simulateV1`.
    pub(super) fn request(&self, entry_point: Address, init_code: Vec<u8>, gas: u64) -> Value {
        let sender = EthAddress::from(self.sender);
        let create = json!({
            "from": EthAddress::from(entry_point),
            "to": sender_creator(entry_point),
            "input": Bytes::from(createSenderCall { initCode: init_code.into() }.abi_encode()),
            "gas": U64::from(gas),
        });
        let read_code = json!({ "to": CODE_READER, "input": sender.into_word() });
        let read_slots = json!({ "to": sender, "input": Bytes::from(self.slots.concat()) });
        let reader = |address: EthAddress, code: Vec<u8>| json!({ address.to_string(): { "code": Bytes::from(code) } });
        json!({ "blockStateCalls": [
            { "stateOverrides": reader(CODE_READER, READS_CODE.to_vec()), "calls": [create, read_code] },
            { "stateOverrides": reader(sender, reads_slots(self.slots.len())), "calls": [read_slots] },
        ] })
    }

    /// `None` if the factory fails, or the node answers in another form.
    pub(super) fn left(&self, blocks: &[SimulatedBlock]) -> Option<Left> {
        let [first, second] = blocks else { return None };
        let ([created, code], [slots]) = (&first.calls[..], &second.calls[..]) else { return None };
        let all = [created, code, slots];
        if all.iter().any(|call| call.status != U64::from(1)) || code.return_data.is_empty() {
            return None;
        }
        let words = slots.return_data.chunks_exact(32).map(B256::from_slice).collect::<Vec<_>>();
        (words.len() == self.slots.len()).then(|| Left { code: code.return_data.clone(), slots: words })
    }

    /// A refusal of the node is that it does not know the method, or does not simulate this.
    pub(super) fn refused(
        &self,
        node: &Node,
        error: &RpcError<TransportErrorKind>,
    ) -> Result<Option<Left>, ChainError> {
        let said = node.describe(error);
        match (error, said) {
            (RpcError::ErrorResp(_) | RpcError::DeserError { .. }, said @ ChainError::Node { .. }) => {
                tracing::warn!(sender = %self.sender, error = %said, "the node does not simulate what a factory leaves");
                Ok(None)
            }
            (_, said) => Err(said),
        }
    }
}

/// The EntryPoint of every version creates it first, in its constructor.
fn sender_creator(entry_point: Address) -> EthAddress {
    EthAddress::from(entry_point).create(1)
}

/// Code that returns the values of the slots in its input: for each, `MSTORE(at,
/// SLOAD(CALLDATALOAD(at)))`.
fn reads_slots(count: usize) -> Vec<u8> {
    let at = |index: usize| u8::try_from(index * 32).unwrap_or(u8::MAX);
    let mut code = Vec::new();
    for index in 0..count {
        code.extend([0x60, at(index), 0x35, 0x54, 0x60, at(index), 0x52]);
    }
    code.extend([0x60, at(count), 0x60, 0x00, 0xf3]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_creator_of_each_version_has_its_published_address() {
        for (entry_point, creator) in [
            (
                address!("5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"),
                address!("7fc98430eAEdbb6070B35B39D798725049088348"),
            ),
            (
                address!("0000000071727De22E5E9d8BAf0edAc6f37da032"),
                address!("EFC2c1444eBCC4Db75e7613d20C6a62fF67A167C"),
            ),
            (
                address!("4337084D9E255Ff0702461CF8895CE9E3b5Ff108"),
                address!("449ED7C3e6Fee6a97311d4b55475DF59C44AdD33"),
            ),
            (
                address!("433709009B8330FDa32311DF1C2AFA402eD8D009"),
                address!("0A630a99Df908A81115A3022927Be82f9299987e"),
            ),
        ] {
            assert_eq!(sender_creator(entry_point.into()), creator);
        }
    }

    #[test]
    fn a_creation_that_fails_or_an_answer_of_another_form_leaves_nothing() {
        let creation = AfterCreation { sender: Address::default(), slots: &[B256::ZERO], verification_gas_limit: 0 };
        let left = |blocks: Value| creation.left(&serde_json::from_value::<Vec<SimulatedBlock>>(blocks).unwrap());
        let call = |status: &str, data: &str| json!({ "status": status, "returnData": data });
        let word = format!("0x{}", "11".repeat(32));
        let blocks = |created, code, slots| json!([{ "calls": [created, code] }, { "calls": [slots] }]);
        let good = left(blocks(call("0x1", "0x"), call("0x1", "0x60"), call("0x1", &word))).unwrap();
        assert_eq!((&good.code[..], &good.slots[..]), (&[0x60][..], &[B256::repeat_byte(0x11)][..]));
        for bad in [
            blocks(call("0x0", "0x"), call("0x1", "0x60"), call("0x1", &word)),
            blocks(call("0x1", "0x"), call("0x1", "0x"), call("0x1", &word)),
            blocks(call("0x1", "0x"), call("0x0", "0x60"), call("0x1", &word)),
            blocks(call("0x1", "0x"), call("0x1", "0x60"), call("0x1", "0x11")),
            json!([{ "calls": [call("0x1", "0x"), call("0x1", "0x60")] }]),
            json!([]),
        ] {
            assert!(left(bad.clone()).is_none(), "{bad}");
        }
    }
}
