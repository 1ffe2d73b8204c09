//! The logs of an EntryPoint: mined operations (`UserOperationEvent`), and what else changes a
//! paymaster's deposit (`Deposited`, `Withdrawn`).

use std::ops::RangeInclusive;

use alloy_primitives::{Address as EthAddress, U64};
use alloy_provider::Provider;
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{Filter, Log};
use alloy_sol_types::SolEvent;
use proto::{Address, Hash, Uint256, UserOpHash};

use super::abi::{Deposited, UserOperationEvent, Withdrawn};
use super::header::{Header, tag_of};
use super::node::{Node, wei};
use super::{AccountOp, ChainError, DepositChange, DepositEvent, MinedOp};
use crate::deployment::Deployment;

/// Where a log is.
#[derive(Clone, Copy)]
struct Place {
    block: u64,
    log_index: u64,
    transaction: Hash,
}

/// The operations paid by a deployment's paymaster in these blocks.
pub(super) async fn of_paymaster(
    node: &Node,
    deployment: &Deployment,
    from: u64,
    to: u64,
) -> Result<Vec<AccountOp>, ChainError> {
    let filter = operations(deployment.entry_point.address).topic3(EthAddress::from(deployment.paymaster));
    logs(node, filter, from, to).await?.iter().map(|log| operation(log, from..=to)).collect()
}

/// The operations of an account in these blocks.
pub(super) async fn of_sender(
    node: &Node,
    entry_point: Address,
    sender: Address,
    from: u64,
    to: u64,
) -> Result<Vec<AccountOp>, ChainError> {
    let filter = operations(entry_point).topic2(EthAddress::from(sender));
    let ops: Result<Vec<_>, _> =
        logs(node, filter, from, to).await?.iter().map(|log| operation(log, from..=to)).collect();
    Ok(ops?.into_iter().filter(|op| op.sender == sender).collect())
}

/// What changed the deposit of a deployment's paymaster in these blocks, besides operations.
pub(super) async fn of_deposit(
    node: &Node,
    deployment: &Deployment,
    from: u64,
    to: u64,
) -> Result<Vec<DepositEvent>, ChainError> {
    let filter = Filter::new()
        .address(EthAddress::from(deployment.entry_point.address))
        .event_signature(vec![Deposited::SIGNATURE_HASH, Withdrawn::SIGNATURE_HASH])
        .topic1(EthAddress::from(deployment.paymaster));
    logs(node, filter, from, to).await?.iter().map(|log| deposit_event(log, from..=to)).collect()
}

fn operations(entry_point: Address) -> Filter {
    Filter::new().address(EthAddress::from(entry_point)).event_signature(UserOperationEvent::SIGNATURE_HASH)
}

/// One batch, because a load balancer sends it to a single backend: for blocks that they do not
/// have, nodes answer `[]` instead of an error. The block is requested before the logs: nodes
/// answer in order. One of the backends may serve another chain.
async fn logs(node: &Node, filter: Filter, from: u64, to: u64) -> Result<Vec<Log>, ChainError> {
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
    logs.await.map_err(failed)
}

/// # Errors
/// [`ChainError::Node`] for a malformed log, or one outside these blocks.
fn operation(log: &Log, asked: RangeInclusive<u64>) -> Result<AccountOp, ChainError> {
    let event = UserOperationEvent::decode_log_validate(&log.inner)
        .map_err(|_| ChainError::node("a UserOperationEvent of another shape"))?
        .data;
    let Place { block, log_index, transaction } = place(log, asked)?;
    let mined = MinedOp {
        user_op_hash: UserOpHash(event.userOpHash.0),
        block,
        log_index,
        transaction,
        cost: wei(event.actualGasCost),
        gas_used: event.actualGasUsed.saturating_to(),
        succeeded: event.success,
    };
    let nonce = Uint256(event.nonce.to_be_bytes());
    Ok(AccountOp { sender: event.sender.into(), nonce, paymaster: event.paymaster.into(), mined })
}

/// # Errors
/// As [`operation`].
fn deposit_event(log: &Log, asked: RangeInclusive<u64>) -> Result<DepositEvent, ChainError> {
    let change = if log.topic0() == Some(&Deposited::SIGNATURE_HASH) {
        let event = Deposited::decode_log_validate(&log.inner);
        event.map(|event| DepositChange::Deposited { total: wei(event.data.totalDeposit) })
    } else {
        let event = Withdrawn::decode_log_validate(&log.inner);
        event.map(|event| DepositChange::Withdrawn { amount: wei(event.data.amount) })
    };
    let change = change.map_err(|_| ChainError::node("a Deposited or Withdrawn event of another shape"))?;
    let Place { block, log_index, transaction } = place(log, asked)?;
    Ok(DepositEvent { block, log_index, transaction, change })
}

fn place(log: &Log, asked: RangeInclusive<u64>) -> Result<Place, ChainError> {
    let (Some(block), Some(log_index), Some(transaction)) = (log.block_number, log.log_index, log.transaction_hash)
    else {
        return Err(ChainError::node("a log without its block, index or transaction"));
    };
    if !asked.contains(&block) {
        let (from, to) = asked.into_inner();
        return Err(ChainError::node(format!("a log of block {block}, asked for {from} to {to}")));
    }
    Ok(Place { block, log_index, transaction: Hash(transaction.0) })
}
