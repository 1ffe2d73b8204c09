//! Reads everything that one operation is checked against: one JSON-RPC batch, then the simulation
//! of its factory if there is one.

use alloy_primitives::{Address as EthAddress, Bytes, U64};
use alloy_provider::Provider;
use alloy_provider::transport::{RpcError, TransportErrorKind};
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::SolCall;
use proto::{Address, Init, Uint256, UserOperation};

use super::abi::{balanceOfCall, getNonceCall, isActiveSignerCall, next_nonce_of, pausedCall};
use super::creation::Factories;
use super::header::Header;
use super::node::{Node, wei};
use super::{ChainError, Facts, PaymasterState, SenderCode};
use crate::clients::Asker;
use crate::deployment::Deployment;

const LATEST: &str = "latest";
/// The prefix of a delegated account's code (EIP-7702), followed by the delegate's address.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

/// The block is requested first, after the chain id: nodes answer a batch in order, so everything
/// else is as new as the block or newer. A newer nonce or code is only more accurate, and no window
/// begins too late. A factory is only run for a sender without code: the EntryPoint calls it for no
/// other.
pub(super) async fn read(
    node: &Node,
    factories: &Factories,
    deployment: &Deployment,
    op: &UserOperation,
    signer: Option<Address>,
    asker: Option<&Asker>,
) -> Result<Facts, ChainError> {
    let entry_point = deployment.entry_point.address;
    let get_nonce = next_nonce_of(op.sender, &op.nonce);

    let mut batch = BatchRequest::new(node.provider().client());
    let unsendable = |error: RpcError<TransportErrorKind>| node.describe(&error);
    let chain_id = batch.add_call::<_, U64>("eth_chainId", &()).map_err(unsendable)?;
    let header = batch.add_call("eth_getBlockByNumber", &(LATEST, false)).map_err(unsendable)?;
    let code = batch.add_call("eth_getCode", &(EthAddress::from(op.sender), LATEST)).map_err(unsendable)?;
    let mut call = |contract: Address, input: Vec<u8>| {
        let request = TransactionRequest::default().to(contract.into()).input(TransactionInput::new(input.into()));
        batch.add_call::<_, Bytes>("eth_call", &(request, LATEST)).map_err(unsendable)
    };
    let nonce = call(entry_point, get_nonce.abi_encode())?;
    let deposit = call(entry_point, balanceOfCall { account: deployment.paymaster.into() }.abi_encode())?;
    let paused = call(deployment.paymaster, pausedCall {}.abi_encode())?;
    let admits = match signer {
        Some(signer) => Some(call(deployment.paymaster, isActiveSignerCall { signer: signer.into() }.abi_encode())?),
        None => None,
    };
    node.within(batch.send()).await?.map_err(unsendable)?;

    node.check_chain_id(chain_id.await)?;
    let header: Option<Header> = header.await.map_err(unsendable)?;
    let header = header.ok_or_else(|| ChainError::node("the node has no latest block"))?;
    let code: Bytes = code.await.map_err(unsendable)?;
    let nonce = node.decoded::<getNonceCall>(entry_point, nonce.await)?;
    let deposit = node.decoded::<balanceOfCall>(entry_point, deposit.await)?;
    let paused = node.decoded::<pausedCall>(deployment.paymaster, paused.await)?;
    let signer_admitted = match admits {
        Some(answer) => Some(node.decoded::<isActiveSignerCall>(deployment.paymaster, answer.await)?),
        None => None,
    };
    let creation = match (&op.init, asker) {
        (Init::Factory { factory, data }, Some(asker)) if !data.is_empty() && code.is_empty() => {
            Some(factories.made_by(entry_point, (*factory, &data[..]), op.verification_gas_limit, asker).await?)
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
        code => match code.strip_prefix(&DELEGATION).and_then(|delegate| delegate.try_into().ok()) {
            Some(delegate) => SenderCode::Delegation { to: Address(delegate) },
            None => SenderCode::Contract,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_length_of_a_designator_is_a_delegation() {
        let designator = |bytes: usize| [&DELEGATION[..], &vec![0x11; bytes]].concat();
        assert_eq!(sender_code(&[]), SenderCode::Absent);
        assert_eq!(sender_code(&designator(20)), SenderCode::Delegation { to: Address([0x11; 20]) });
        for other in [designator(0), designator(19), designator(21), DELEGATION[..2].to_vec(), vec![0x11; 23]] {
            assert_eq!(sender_code(&other), SenderCode::Contract, "{other:?}");
        }
    }
}
