//! Everything one operation is held against: one JSON-RPC batch, and then its factory where it has one to run.

use alloy_primitives::aliases::U192;
use alloy_primitives::{B256, Bytes, U64, U256};
use alloy_provider::Provider;
use alloy_provider::transport::{RpcError, TransportErrorKind};
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, sol};
use proto::{Address, Hash, Init, Uint256, UserOperation};
use serde::Deserialize;

use super::creation::made_by;
use super::rpc::{RpcChain, balanceOfCall, decoded, describe, eth, isActiveSignerCall, pausedCall, wei};
use super::{Block, ChainError, Facts, PaymasterState, SenderCode};
use crate::catalogue::Deployment;
use crate::clients::Asker;

sol! {
    function getNonce(address sender, uint192 key) returns (uint256);
}

const LATEST: &str = "latest";
/// The greatest number and time that a block may have: the database holds 63 bits, and one more is the block to read next.
const LAST: u64 = (1 << 63) - 2;
/// How the code of a delegated account begins (EIP-7702); the delegate's address follows.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

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
    /// [`ChainError::Node`] where number or time are such as no chain reaches: the database could not hold them.
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
    /// [`ChainError::Node`] where it has none, as a pending block.
    pub(super) fn hash(&self) -> Result<Hash, ChainError> {
        self.hash.map(|hash| Hash(hash.0)).ok_or_else(|| ChainError::node("the node has a block without a hash"))
    }

    fn base_fee(&self) -> u128 {
        self.base_fee_per_gas.unwrap_or_default().saturating_to()
    }
}

/// The block is asked for first: nodes answer a batch in order, so all else is as new as the block
/// or newer. A newer nonce or code is only nearer to the truth, and no window begins too late. A
/// factory is run for a sender without code only: the EntryPoint calls it for no other.
pub(super) async fn read(
    chain: &RpcChain,
    deployment: &Deployment,
    op: &UserOperation,
    signer: Option<Address>,
    asker: Option<&Asker>,
) -> Result<Facts, ChainError> {
    let entry_point = deployment.entry_point.address;
    let mut key = [0; 24];
    key.copy_from_slice(&op.nonce.0[..24]);
    let get_nonce = getNonceCall { sender: eth(op.sender), key: U192::from_be_bytes(key) };

    let mut batch = BatchRequest::new(chain.provider.client());
    let unsendable = |error: RpcError<TransportErrorKind>| describe(&error);
    let header = batch.add_call("eth_getBlockByNumber", &(LATEST, false)).map_err(unsendable)?;
    let code = batch.add_call("eth_getCode", &(eth(op.sender), LATEST)).map_err(unsendable)?;
    let mut call = |contract, input: Vec<u8>| {
        let request = TransactionRequest::default().to(eth(contract)).input(TransactionInput::new(input.into()));
        batch.add_call::<_, Bytes>("eth_call", &(request, LATEST)).map_err(unsendable)
    };
    let nonce = call(entry_point, get_nonce.abi_encode())?;
    let deposit = call(entry_point, balanceOfCall { account: eth(deployment.paymaster) }.abi_encode())?;
    let paused = call(deployment.paymaster, pausedCall {}.abi_encode())?;
    let admits = match signer {
        Some(signer) => Some(call(deployment.paymaster, isActiveSignerCall { signer: eth(signer) }.abi_encode())?),
        None => None,
    };
    chain.within(batch.send()).await?.map_err(unsendable)?;

    let header: Option<Header> = header.await.map_err(unsendable)?;
    let header = header.ok_or_else(|| ChainError::node("the node has no latest block"))?;
    let code: Bytes = code.await.map_err(unsendable)?;
    let nonce = decoded::<getNonceCall>(entry_point, nonce.await)?;
    let deposit = decoded::<balanceOfCall>(entry_point, deposit.await)?;
    let paused = decoded::<pausedCall>(deployment.paymaster, paused.await)?;
    let signer_admitted = match admits {
        Some(answer) => Some(decoded::<isActiveSignerCall>(deployment.paymaster, answer.await)?),
        None => None,
    };
    let creation = match (&op.init, asker) {
        (Init::Factory { factory, data }, Some(asker)) if !data.is_empty() && code.is_empty() => {
            Some(made_by(chain, entry_point, (*factory, &data[..]), op.verification_gas_limit, asker).await?)
        }
        (Init::Factory { .. } | Init::Deployed | Init::Eip7702 { .. }, _) => None,
    };
    Ok(Facts {
        block: header.block()?,
        base_fee: header.base_fee(),
        nonce: Uint256(nonce.to_be_bytes()),
        sender_code: sender_code(&code),
        creation,
        paymaster: PaymasterState { deposit: wei(deposit), paused },
        signer_admitted,
    })
}

fn sender_code(code: &[u8]) -> SenderCode {
    match code {
        [] => SenderCode::Absent,
        code if code.starts_with(&DELEGATION) => SenderCode::Delegation,
        _ => SenderCode::Contract,
    }
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
