//! The bundler's part: takes an operation exactly as the relay returns it, and puts it on the
//! chain.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_sol_types::{SolError, SolEvent};
use serde_json::Value;

use crate::abi::AnyEntryPoint::{FailedOp, FailedOpWithRevert, UserOperationEvent, UserOperationRevertReason};
use crate::user_operation::Packed;
use crate::{DevkitError, EntryPoint, HandleOpsError, chain};

/// What the chain tells of an operation it has taken (`UserOperationEvent` of ERC-4337, and the
/// bundle around it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandledOp {
    /// The bundle's transaction.
    pub transaction: B256,
    /// The block it is in.
    pub block_number: Option<u64>,
    /// Gas the whole bundle used.
    pub transaction_gas_used: u64,
    /// The operation's hash.
    pub user_op_hash: B256,
    /// The account.
    pub sender: Address,
    /// Who paid; zero when the account paid for itself.
    pub paymaster: Address,
    /// The operation's nonce.
    pub nonce: U256,
    /// Whether the account's call went through; a failed call is mined and paid for all the same.
    pub success: bool,
    /// Wei charged to the payer.
    pub actual_gas_cost: U256,
    /// Gas charged to the payer.
    pub actual_gas_used: U256,
    /// What the account's call reverted with, when it did and said why.
    pub revert_reason: Option<Bytes>,
}

impl EntryPoint {
    /// Packs a complete JSON operation for this version and sends `handleOps([op], beneficiary)`,
    /// with the operation's EIP-7702 authorisation when it has one.
    ///
    /// # Errors
    /// The EntryPoint's refusal, decoded; or [`HandleOpsError::Devkit`] when the operation is not
    /// of this version's shape or the node fails.
    pub async fn handle_ops(&self, operation: &Value) -> Result<HandledOp, HandleOpsError> {
        let packed = Packed::parse(self.version(), operation).map_err(DevkitError::from)?;
        let bundler = self.bundler();
        let request = chain::request(bundler, self.address(), packed.handle_ops(bundler));
        let request = chain::authorized(request, packed.authorizations);

        // A mined revert has no data in its receipt: asking first is how the reason is known.
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
