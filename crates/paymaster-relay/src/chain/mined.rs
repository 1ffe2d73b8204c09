//! The logs of mined operations (`UserOperationEvent`).

use std::ops::RangeInclusive;

use alloy_primitives::{Address as EthAddress, U64};
use alloy_provider::Provider;
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{Filter, Log};
use alloy_sol_types::SolEvent;
use proto::{Address, Uint256, UserOpHash};

use super::abi::UserOperationEvent;
use super::header::{Header, tag_of};
use super::node::{Node, wei};
use super::{AccountOp, ChainError, MinedOp};
use crate::deployment::Deployment;

/// The operations paid by a deployment's paymaster in these blocks.
pub(super) async fn of_paymaster(
    node: &Node,
    deployment: &Deployment,
    from: u64,
    to: u64,
) -> Result<Vec<MinedOp>, ChainError> {
    let filter = filter(deployment.entry_point.address).topic3(EthAddress::from(deployment.paymaster));
    Ok(events(node, filter, from, to).await?.iter().map(|(event, block)| mined(event, *block)).collect())
}

fn mined(event: &UserOperationEvent, block: u64) -> MinedOp {
    MinedOp {
        user_op_hash: UserOpHash(event.userOpHash.0),
        block,
        cost: wei(event.actualGasCost),
        succeeded: event.success,
    }
}

/// The operations of an account in these blocks.
pub(super) async fn of_sender(
    node: &Node,
    entry_point: Address,
    sender: Address,
    from: u64,
    to: u64,
) -> Result<Vec<AccountOp>, ChainError> {
    let of_account = |(event, block): &(UserOperationEvent, u64)| AccountOp {
        sender: event.sender.into(),
        nonce: Uint256(event.nonce.to_be_bytes()),
        paymaster: event.paymaster.into(),
        mined: mined(event, *block),
    };
    let events = events(node, filter(entry_point).topic2(EthAddress::from(sender)), from, to).await?;
    Ok(events.iter().map(of_account).filter(|op| op.sender == sender).collect())
}

fn filter(entry_point: Address) -> Filter {
    Filter::new().address(EthAddress::from(entry_point)).event_signature(UserOperationEvent::SIGNATURE_HASH)
}

/// One batch, because a load balancer sends it to a single backend: for blocks that they do not
/// have, nodes answer `[]` instead of an error. The block is requested before the logs: nodes
/// answer in order. One of the backends may serve another chain.
async fn events(node: &Node, filter: Filter, from: u64, to: u64) -> Result<Vec<(UserOperationEvent, u64)>, ChainError> {
    let mut batch = BatchRequest::new(node.provider().client());
    let failed = |error| node.describe(&error);
    let chain_id = batch.add_call::<_, U64>("eth_chainId", &()).map_err(failed)?;
    let last = batch.add_call("eth_getBlockByNumber", &(tag_of(to), false)).map_err(failed)?;
    let filter = filter.from_block(from).to_block(to);
    let logs = batch.add_call("eth_getLogs", &(filter,)).map_err(failed)?;
    let too_slow = || ChainError::LogsNotRead { from, to };
    node.within_or(batch.send(), too_slow).await?.map_err(failed)?;

    node.check_chain_id(chain_id.await)?;
    let last: Option<Header> = last.await.map_err(failed)?;
    last.ok_or(ChainError::LogsLag { missing: to })?.check_number(to)?;
    let logs: Vec<Log> = logs.await.map_err(failed)?;
    logs.iter().map(|log| event(log, from..=to)).collect()
}

/// # Errors
/// [`ChainError::Node`] for a malformed log, or one outside these blocks.
fn event(log: &Log, asked: RangeInclusive<u64>) -> Result<(UserOperationEvent, u64), ChainError> {
    let event = UserOperationEvent::decode_log_validate(&log.inner)
        .map_err(|_| ChainError::node("a UserOperationEvent of another shape"))?;
    let block = log.block_number.ok_or_else(|| ChainError::node("a log without a block"))?;
    if !asked.contains(&block) {
        let (from, to) = asked.into_inner();
        return Err(ChainError::node(format!("a log of block {block}, asked for {from} to {to}")));
    }
    Ok((event.data, block))
}
