//! The chain over a node's JSON-RPC.

use std::future::Future;
use std::time::Duration;

use alloy_primitives::aliases::U192;
use alloy_primitives::{Address as EthAddress, U256};
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{Filter, Log, TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, SolEvent, sol};
use async_trait::async_trait;
use proto::{Address, Uint256, UserOpHash, Wei};
use tokio::time::timeout;

use super::{ChainError, EntryPointReader, MinedOp, PaymasterState};
use crate::catalogue::Deployment;
use crate::settings::{ChainSettings, SettingsError};

sol! {
    function balanceOf(address account) returns (uint256);
    function paused() returns (bool);
    function getNonce(address sender, uint192 key) returns (uint256);
    event UserOperationEvent(
        bytes32 indexed userOpHash,
        address indexed sender,
        address indexed paymaster,
        uint256 nonce,
        bool success,
        uint256 actualGasCost,
        uint256 actualGasUsed
    );
}

/// A node. Every question ends within the configured time, answered or not.
#[derive(Clone, Debug)]
pub struct RpcChain {
    provider: RootProvider,
    patience: Duration,
}

impl RpcChain {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] when the address is no URL.
    pub fn new(settings: &ChainSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            provider: RootProvider::new_http(settings.url()?),
            patience: Duration::from_secs(settings.timeout_seconds),
        })
    }

    async fn call<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, ChainError> {
        let request =
            TransactionRequest::default().to(eth(contract)).input(TransactionInput::new(call.abi_encode().into()));
        let of_contract = |detail| ChainError::Contract { contract, function: C::SIGNATURE, detail };
        let answer = within(self.patience, self.provider.call(request).into_future(), |error| match error {
            RpcError::ErrorResp(payload) => of_contract(said(payload.code, &payload.message)),
            _ => describe(error),
        });
        C::abi_decode_returns_validate(&answer.await?)
            .map_err(|_| of_contract("what it answers is something else; is it deployed?".to_owned()))
    }

    async fn ask<T>(&self, question: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, ChainError> {
        within(self.patience, question.into_future(), describe).await
    }
}

#[async_trait]
impl EntryPointReader for RpcChain {
    async fn paymaster(&self, deployment: &Deployment) -> Result<PaymasterState, ChainError> {
        let balance_of = balanceOfCall { account: eth(deployment.paymaster) };
        // Of two that fail, always the same one is told of.
        let (deposit, paused) = tokio::join!(
            self.call(deployment.entry_point.address, &balance_of),
            self.call(deployment.paymaster, &pausedCall {}),
        );
        Ok(PaymasterState { deposit: wei(deposit?), paused: paused? })
    }

    async fn nonce(&self, entry_point: Address, sender: Address, key: [u8; 24]) -> Result<Uint256, ChainError> {
        let call = getNonceCall { sender: eth(sender), key: U192::from_be_bytes(key) };
        let nonce = self.call(entry_point, &call).await?;
        Ok(Uint256(nonce.to_be_bytes()))
    }

    async fn latest_block(&self) -> Result<u64, ChainError> {
        self.ask(self.provider.get_block_number()).await
    }

    async fn mined(&self, deployment: &Deployment, from: u64, to: u64) -> Result<Vec<MinedOp>, ChainError> {
        let filter = Filter::new()
            .address(eth(deployment.entry_point.address))
            .event_signature(UserOperationEvent::SIGNATURE_HASH)
            .topic3(eth(deployment.paymaster))
            .from_block(from)
            .to_block(to);
        let logs = self.ask(self.provider.get_logs(&filter)).await?;
        logs.iter().map(mined_op).collect()
    }

    async fn chain_id(&self) -> Result<u64, ChainError> {
        self.ask(self.provider.get_chain_id()).await
    }

    async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        let code = self.ask(self.provider.get_code_at(eth(address))).await?;
        Ok(!code.is_empty())
    }
}

fn mined_op(log: &Log) -> Result<MinedOp, ChainError> {
    let event = UserOperationEvent::decode_log_validate(&log.inner)
        .map_err(|_| ChainError::node("a UserOperationEvent of another shape"))?;
    let block = log.block_number.ok_or_else(|| ChainError::node("a log without a block"))?;
    Ok(MinedOp {
        user_op_hash: UserOpHash(event.userOpHash.0),
        block,
        cost: wei(event.actualGasCost),
        succeeded: event.success,
    })
}

fn eth(address: Address) -> EthAddress {
    EthAddress::new(address.0)
}

/// More than 128 bits of wei is more than there is; it counts as the most that fits.
fn wei(value: U256) -> Wei {
    Wei(value.saturating_to())
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = TransportResult<T>>,
    describe: impl Fn(&RpcError<TransportErrorKind>) -> ChainError,
) -> Result<T, ChainError> {
    timeout(patience, answer)
        .await
        .map_err(|_| ChainError::node("the node did not answer in time"))?
        .map_err(|error| describe(&error))
}

fn said(code: i64, message: &str) -> String {
    format!("the node answered {code}: {message}")
}

/// Leaves out what may carry the node's address, and the key in it.
fn describe(error: &RpcError<TransportErrorKind>) -> ChainError {
    match error {
        RpcError::ErrorResp(payload) => ChainError::node(said(payload.code, &payload.message)),
        RpcError::Transport(TransportErrorKind::HttpError(http)) => {
            ChainError::node(format!("the node answered HTTP status {}", http.status))
        }
        RpcError::Transport(_) => ChainError::node("the node cannot be reached"),
        _ => ChainError::node("the node's answer does not parse"),
    }
}
