//! Basic chain operations: send and wait, call and decode, deploy through the CREATE2 deployer.

use std::time::Duration;

use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, address};
use alloy_provider::transport::{RpcError, TransportError};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{TransactionInput, TransactionReceipt, TransactionRequest};
use alloy_sol_types::SolCall;
use tokio::time::{sleep, timeout};

use crate::DevkitError;

/// The deterministic deployer that anvil preloads; it takes `salt ‖ creation code`.
const CREATE2_DEPLOYER: Address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");
/// Enough for the largest EntryPoint, and below the block limit. A fixed limit avoids gas
/// estimation, which would report a revert in the node's words.
pub(crate) const GAS_LIMIT: u64 = 15_000_000;
const MINED_WITHIN_SECONDS: u64 = 30;
const POLL: Duration = Duration::from_millis(10);

/// A transaction or call of `from` to a contract.
pub(crate) fn request(from: Address, to: Address, input: impl Into<Bytes>) -> TransactionRequest {
    TransactionRequest::default().from(from).to(to).gas_limit(GAS_LIMIT).input(TransactionInput::new(input.into()))
}

/// The same with EIP-7702 authorisations, if there are any.
pub(crate) fn authorized(request: TransactionRequest, authorizations: Vec<SignedAuthorization>) -> TransactionRequest {
    let authorization_list = (!authorizations.is_empty()).then_some(authorizations);
    TransactionRequest { authorization_list, ..request }
}

/// Sends from an unlocked account and waits for the receipt; a mined revert is an error.
pub(crate) async fn send(
    provider: &RootProvider,
    request: TransactionRequest,
) -> Result<TransactionReceipt, DevkitError> {
    let transaction = *provider.send_transaction(request).await.map_err(reverted_or_rpc)?.tx_hash();
    let mined = timeout(Duration::from_secs(MINED_WITHIN_SECONDS), receipt(provider, transaction))
        .await
        .map_err(|_| DevkitError::NotMined { transaction, seconds: MINED_WITHIN_SECONDS })??;
    if mined.status() { Ok(mined) } else { Err(DevkitError::TransactionReverted { transaction }) }
}

async fn receipt(provider: &RootProvider, transaction: B256) -> Result<TransactionReceipt, DevkitError> {
    loop {
        if let Some(receipt) = provider.get_transaction_receipt(transaction).await? {
            return Ok(receipt);
        }
        sleep(POLL).await;
    }
}

/// Runs a call on the latest state without sending it.
pub(crate) async fn simulate(provider: &RootProvider, request: TransactionRequest) -> Result<Bytes, DevkitError> {
    provider.call(request).await.map_err(reverted_or_rpc)
}

/// Reads a view function.
pub(crate) async fn view<C: SolCall>(
    provider: &RootProvider,
    contract: Address,
    call: &C,
) -> Result<C::Return, DevkitError> {
    let answer = simulate(provider, request(Address::ZERO, contract, call.abi_encode())).await?;
    Ok(C::abi_decode_returns_validate(&answer)?)
}

/// Deploys once: an existing contract is left unchanged.
pub(crate) async fn create2(
    provider: &RootProvider,
    from: Address,
    salt: B256,
    creation_code: &[u8],
) -> Result<Address, DevkitError> {
    let contract = CREATE2_DEPLOYER.create2_from_code(salt, creation_code);
    if !provider.get_code_at(contract).await?.is_empty() {
        return Ok(contract);
    }
    let input = [salt.as_slice(), creation_code].concat();
    let transaction = send(provider, request(from, CREATE2_DEPLOYER, input)).await?.transaction_hash;
    if provider.get_code_at(contract).await?.is_empty() {
        return Err(DevkitError::NothingDeployed { transaction });
    }
    Ok(contract)
}

fn reverted_or_rpc(error: TransportError) -> DevkitError {
    let revert = match &error {
        RpcError::ErrorResp(payload) => payload.as_revert_data(),
        _ => None,
    };
    revert.map_or(DevkitError::Rpc(error), |data| DevkitError::CallReverted { data })
}
