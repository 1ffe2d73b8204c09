//! The bundler's part: submits an operation to the chain exactly as the relay returned it.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_sol_types::{SolError, SolEvent};
use serde_json::Value;

use crate::abi::AnyEntryPoint::{FailedOp, FailedOpWithRevert, UserOperationEvent, UserOperationRevertReason};
use crate::user_operation::Packed;
use crate::{DevkitError, EntryPoint, HandleOpsError, chain};

/// The chain's report of an operation (`UserOperationEvent` of ERC-4337, and its bundle).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandledOp {
    /// The bundle's transaction.
    pub transaction: B256,
    /// The bundle's block.
    pub block_number: Option<u64>,
    /// Gas the whole bundle used.
    pub transaction_gas_used: u64,
    /// The operation's hash.
    pub user_op_hash: B256,
    /// The account.
    pub sender: Address,
    /// The payer; zero if the account paid for itself.
    pub paymaster: Address,
    /// The operation's nonce.
    pub nonce: U256,
    /// Whether the account's call succeeded; a failed call is still mined and paid for.
    pub success: bool,
    /// Wei charged to the payer.
    pub actual_gas_cost: U256,
    /// Gas charged to the payer.
    pub actual_gas_used: U256,
    /// The revert data of the account's call, if it reverted with any.
    pub revert_reason: Option<Bytes>,
}

impl EntryPoint {
    /// Packs a complete JSON operation for this version and sends `handleOps([op], beneficiary)`,
    /// with the operation's EIP-7702 authorisation when it has one.
    ///
    /// # Errors
    /// The EntryPoint's refusal, decoded; or [`HandleOpsError::Devkit`] if the operation does not
    /// have this version's form or the node fails.
    pub async fn handle_ops(&self, operation: &Value) -> Result<HandledOp, HandleOpsError> {
        let packed = Packed::parse(self.version(), operation).map_err(DevkitError::from)?;
        let bundler = self.bundler();
        let request = chain::request(bundler, self.address(), packed.handle_ops(bundler));
        let request = chain::authorized(request, packed.authorizations);

        // A mined revert has no data in its receipt, so the call is simulated first to get the
        // reason.
        chain::simulate(self.provider(), request.clone()).await.map_err(refusal)?;
        let receipt = chain::send(self.provider(), request).await.map_err(refusal)?;
        self.read(&receipt)
    }

    fn read(&self, receipt: &TransactionReceipt) -> Result<HandledOp, HandleOpsError> {
        let transaction = receipt.transaction_hash;
        let own = || receipt.logs().iter().filter(|log| log.address() == self.address());
        let event = own()
            .find_map(|log| UserOperationEvent::decode_log(&log.inner).ok())
            .ok_or(HandleOpsError::NoEvent { transaction })?;
        let revert_reason = own()
            .find_map(|log| UserOperationRevertReason::decode_log(&log.inner).ok())
            .map(|log| log.revertReason.clone());
        Ok(HandledOp {
            transaction,
            block_number: receipt.block_number,
            transaction_gas_used: receipt.gas_used,
            user_op_hash: event.userOpHash,
            sender: event.sender,
            paymaster: event.paymaster,
            nonce: event.nonce,
            success: event.success,
            actual_gas_cost: event.actualGasCost,
            actual_gas_used: event.actualGasUsed,
            revert_reason,
        })
    }
}

fn refusal(error: DevkitError) -> HandleOpsError {
    let DevkitError::CallReverted { data } = error else {
        return error.into();
    };
    if let Ok(failed) = FailedOp::abi_decode_validate(&data) {
        return HandleOpsError::FailedOp { op_index: failed.opIndex, reason: failed.reason };
    }
    match FailedOpWithRevert::abi_decode_validate(&data) {
        Ok(failed) => {
            HandleOpsError::FailedOpWithRevert { op_index: failed.opIndex, reason: failed.reason, inner: failed.inner }
        }
        Err(_) => HandleOpsError::Reverted { data },
    }
}
