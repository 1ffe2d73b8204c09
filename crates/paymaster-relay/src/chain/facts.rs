//! Everything one operation is held against, in one JSON-RPC batch.

use alloy_primitives::aliases::U192;
use alloy_primitives::{Bytes, U64, hex};
use alloy_provider::Provider;
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, SolError, sol};
use proto::{Address, Init, Uint256, UserOperation};
use serde::Deserialize;

use super::rpc::{RpcChain, balanceOfCall, contract_error, decoded, describe, eth, pausedCall, wei};
use super::{Block, ChainError, Creation, Facts, PaymasterState};
use crate::catalogue::Deployment;

sol! {
    function getNonce(address sender, uint192 key) returns (uint256);
    function getSenderAddress(bytes initCode);
    error SenderAddressResult(address sender);
}

/// Gas for a factory. Ten times what large accounts take, and little for a node: the factory is a
/// stranger's code.
const FACTORY_GAS: u64 = 10_000_000;
const LATEST: &str = "latest";

/// The fields of a block that are looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    number: U64,
    timestamp: U64,
}

impl Header {
    pub(super) fn block(&self) -> Block {
        Block { number: self.number.to(), timestamp: self.timestamp.to() }
    }
}

/// The block is asked for first: nodes answer a batch in order, so all else is as new as the block
/// or newer. A newer nonce or code is only nearer to the truth, and no window begins too late.
pub(super) async fn read(chain: &RpcChain, deployment: &Deployment, op: &UserOperation) -> Result<Facts, ChainError> {
    let entry_point = deployment.entry_point.address;
    let mut key = [0; 24];
    key.copy_from_slice(&op.nonce.0[..24]);
    let get_nonce = getNonceCall { sender: eth(op.sender), key: U192::from_be_bytes(key) };

    let _place = match &op.init {
        Init::Factory { data, .. } if !data.is_empty() => Some(chain.simulation().await?),
        Init::Factory { .. } | Init::Deployed | Init::Eip7702 { .. } => None,
    };
    let mut batch = BatchRequest::new(chain.provider.client());
    let unsendable = |error: RpcError<TransportErrorKind>| describe(&error);
    let header = batch.add_call("eth_getBlockByNumber", &(LATEST, false)).map_err(unsendable)?;
    let code = batch.add_call("eth_getCode", &(eth(op.sender), LATEST)).map_err(unsendable)?;
    let mut call = |contract, input: Vec<u8>, gas: Option<u64>| {
        let request = TransactionRequest {
            gas,
            ..TransactionRequest::default().to(eth(contract)).input(TransactionInput::new(input.into()))
        };
        batch.add_call::<_, Bytes>("eth_call", &(request, LATEST)).map_err(unsendable)
    };
    let nonce = call(entry_point, get_nonce.abi_encode(), None)?;
    let deposit = call(entry_point, balanceOfCall { account: eth(deployment.paymaster) }.abi_encode(), None)?;
    let paused = call(deployment.paymaster, pausedCall {}.abi_encode(), None)?;
    let creation = match &op.init {
        Init::Factory { factory, data } if !data.is_empty() => {
            let init_code = [&factory.0[..], &data[..]].concat();
            let ask = getSenderAddressCall { initCode: init_code.into() };
            Some(call(entry_point, ask.abi_encode(), Some(FACTORY_GAS))?)
        }
        Init::Factory { .. } | Init::Deployed | Init::Eip7702 { .. } => None,
    };
    chain.within(batch.send()).await?.map_err(unsendable)?;

    let header: Option<Header> = header.await.map_err(unsendable)?;
    let code: Bytes = code.await.map_err(unsendable)?;
    let nonce = decoded::<getNonceCall>(entry_point, nonce.await)?;
    let deposit = decoded::<balanceOfCall>(entry_point, deposit.await)?;
    let paused = decoded::<pausedCall>(deployment.paymaster, paused.await)?;
    let creation = match creation {
        Some(answer) => Some(created(entry_point, answer.await)?),
        None => None,
    };
    Ok(Facts {
        block: header.ok_or_else(|| ChainError::node("the node has no latest block"))?.block(),
        nonce: Uint256(nonce.to_be_bytes()),
        sender_has_code: !code.is_empty(),
        creation,
        paymaster: PaymasterState { deposit: wei(deposit), paused },
    })
}

/// `getSenderAddress` answers by reverting, with the zero address when the factory failed.
fn created(entry_point: Address, answer: TransportResult<Bytes>) -> Result<Creation, ChainError> {
    let Err(error) = answer else {
        let detail = "it returns, and should revert with SenderAddressResult".to_owned();
        return Err(ChainError::Contract { contract: entry_point, function: getSenderAddressCall::SIGNATURE, detail });
    };
    let RpcError::ErrorResp(payload) = &error else {
        return Err(describe(&error));
    };
    match payload.data.as_ref().and_then(|data| sender_address(data.get())) {
        Some(zero) if zero == Address::default() => Ok(Creation::Nothing),
        Some(account) => Ok(Creation::Account(account)),
        None => Err(contract_error::<getSenderAddressCall>(entry_point, &error)),
    }
}

/// Nodes put revert data as a string, within an object, or behind a word ("Reverted 0x…"), so it is
/// looked for by its selector.
fn sender_address(data: &str) -> Option<Address> {
    let (_, argument) = data.split_once(&hex::encode(SenderAddressResult::SELECTOR))?;
    let word = hex::decode(argument.get(..64)?).ok()?;
    let (padding, address) = word.split_at(12);
    let address = <[u8; 20]>::try_from(address).ok()?;
    padding.iter().all(|byte| *byte == 0).then_some(Address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: &str = "000000000000000000000000aabbccddeeff00112233445566778899aabbccdd";

    #[test]
    fn revert_data_is_found_however_the_node_wraps_it() {
        let expected = proto::json::address("0xaabbccddeeff00112233445566778899aabbccdd").ok();
        for data in [
            format!("\"0x6ca7b806{SENDER}\""),
            format!("\"Reverted 0x6ca7b806{SENDER}\""),
            format!("{{\"data\":\"0x6ca7b806{SENDER}\",\"message\":\"reverted\"}}"),
        ] {
            assert_eq!(sender_address(&data), expected, "{data}");
        }
        for data in ["null", "\"0x\"", "\"0x6ca7b806\"", "\"0x6ca7b80600\""] {
            assert_eq!(sender_address(data), None, "{data}");
        }
        assert_eq!(sender_address(&format!("\"0x6ca7b806{}{}\"", "01".repeat(12), "00".repeat(20))), None);
    }
}
