//! The next nonces of many accounts (`getNonce`), in one JSON-RPC batch.

use alloy_primitives::{Bytes, U64};
use alloy_provider::Provider;
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::SolCall;
use proto::{Address, Uint256};

use super::abi::{getNonceCall, next_nonce_of};
use super::header::{Header, tag_of};
use super::node::Node;
use super::{ChainError, Nonces};

/// Asks for the state at that block. A node that answers for none of the accounts may only keep the
/// latest state, so that is asked for next; it counts if it is not older.
pub(super) async fn read(
    node: &Node,
    entry_point: Address,
    accounts: &[(Address, Uint256)],
    at: u64,
) -> Result<Nonces, ChainError> {
    let told = ask(node, entry_point, accounts, &tag_of(at)).await;
    match &told {
        Ok(Nonces { next, .. }) if next.iter().any(Result::is_ok) => {}
        Ok(_) | Err(ChainError::Node { .. }) => {
            if let Ok(latest) = ask(node, entry_point, accounts, "latest").await
                && latest.at >= at
                && latest.next.iter().any(Result::is_ok)
            {
                return Ok(latest);
            }
        }
        Err(_) => {}
    }
    told
}

/// The block is asked for first: nodes answer in order, so the state is of that block or a later
/// one.
async fn ask(
    node: &Node,
    entry_point: Address,
    accounts: &[(Address, Uint256)],
    tag: &str,
) -> Result<Nonces, ChainError> {
    let mut batch = BatchRequest::new(node.provider().client());
    let failed = |error| node.describe(&error);
    let chain_id = batch.add_call::<_, U64>("eth_chainId", &()).map_err(failed)?;
    let block = batch.add_call("eth_getBlockByNumber", &(tag, false)).map_err(failed)?;
    let mut answers = Vec::new();
    for (sender, nonce) in accounts {
        let input = TransactionInput::new(next_nonce_of(*sender, nonce).abi_encode().into());
        let request = TransactionRequest::default().to(entry_point.into()).input(input);
        answers.push(batch.add_call::<_, Bytes>("eth_call", &(request, tag)).map_err(failed)?);
    }
    let too_slow = || ChainError::NoncesNotRead { accounts: accounts.len() };
    node.within_or(batch.send(), too_slow).await?.map_err(failed)?;

    node.check_chain_id(chain_id.await)?;
    let block: Option<Header> = block.await.map_err(failed)?;
    let at = block.ok_or_else(|| ChainError::node(format!("the node has no block {tag}")))?.block()?.number;
    let mut next = Vec::new();
    for answer in answers {
        let told = node.decoded::<getNonceCall>(entry_point, answer.await);
        next.push(told.map(|next| Uint256(next.to_be_bytes())));
    }
    Ok(Nonces { at, next })
}
