//! The address of an account before it is deployed, as computed by the factory contract itself.

mod known;

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Bytes, TxKind, U256};
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::RpcClient;
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, sol};
use async_trait::async_trait;
use axum::http::StatusCode;
use bounded_http::{JsonRpc, NotJsonRpc};
use breaker::{Breaker, OutageLog};
use proto::json::Excerpt;
use proto::{Address, Hash};
use thiserror::Error;

use crate::settings::{FactorySettings, InvalidSettings};
use known::KnownSenders;

sol! {
    function getAddress(address owner, uint256 salt) external view returns (address);
}

/// Computes the address that a factory gives to an account.
#[async_trait]
pub trait AccountFactory: Send + Sync {
    /// The factory contract.
    fn address(&self) -> Address;

    /// The address of the account with this owner and salt, deployed or not.
    ///
    /// # Errors
    /// If the chain does not answer, or its answer is invalid.
    async fn counterfactual_sender(&self, owner: &Address, salt: &Hash) -> Result<Address, FactoryError>;
}

/// The factory could not be asked.
#[derive(Debug, Error)]
pub enum FactoryError {
    /// The node did not answer, or returned an error.
    #[error("the chain of the account factory: {0}")]
    Chain(String),
    /// The answer is not an address: there is no such factory at the configured address.
    #[error("the account factory returned no address")]
    NoFactory,
}

// The texts name the settings: details of the node are for operators only.
const NO_ANSWER: &str = "the node at kms.factory.rpc_url did not answer in time (kms.factory.timeout_seconds)";
/// The part of the gateway that needs the factory, as named in the log.
const CREATION: &str = "creating an account";

/// The factory contract, over JSON-RPC.
pub struct ChainFactory {
    provider: RootProvider,
    address: Address,
    known: KnownSenders,
    timeout: Duration,
    breaker: Arc<Breaker>,
    /// For failures that the breaker does not cover: the node answers, but not with an address.
    log: OutageLog,
}

impl ChainFactory {
    /// A client of the configured factory; it makes no request yet.
    ///
    /// # Errors
    /// [`InvalidSettings`] if the node's URL is invalid.
    pub fn new(settings: &FactorySettings) -> Result<Self, InvalidSettings> {
        let node = JsonRpc::new(settings.url()?);
        let connections = node.connections();
        let provider = RootProvider::new(RpcClient::new(node, false));
        let timeout = Duration::from_secs(settings.timeout_seconds);
        let probed = provider.clone();
        let breaker = Breaker::new("the chain of the account factory", move || {
            connections.renew();
            let provider = probed.clone();
            async move {
                tokio::time::timeout(timeout, provider.get_chain_id()).await.is_ok_and(|answer| is_answer(&answer))
            }
        });
        let log = OutageLog::new("the account factory");
        Ok(Self { provider, address: settings.address, known: KnownSenders::default(), timeout, breaker, log })
    }

    /// Checks that the chain answers, and the factory returns addresses.
    ///
    /// # Errors
    /// If the chain does not answer, or its answer is invalid.
    pub async fn look_at(&self) -> Result<(), FactoryError> {
        // Any owner works except the zero address, which a factory may refuse.
        self.ask(&self.address, &Hash::default()).await.map(drop)
    }

    async fn ask(&self, owner: &Address, salt: &Hash) -> Result<Address, FactoryError> {
        let call = getAddressCall { owner: (*owner).into(), salt: U256::from_be_bytes(salt.0) };
        let request = TransactionRequest {
            to: Some(TxKind::Call(self.address.into())),
            input: TransactionInput::new(call.abi_encode().into()),
            ..TransactionRequest::default()
        };
        let begun = self.breaker.check().map_err(|outage| FactoryError::Chain(outage.to_string()))?;
        let answer = tokio::time::timeout(self.timeout, async { self.provider.call(request).await }).await;
        let answer: TransportResult<Bytes> = answer.map_err(|_| {
            self.breaker.failed(begun, NO_ANSWER);
            FactoryError::Chain(NO_ANSWER.into())
        })?;
        if let Err(error) = &answer
            && !is_answer(&answer)
        {
            let why = why(error);
            self.breaker.failed(begun, &why);
            return Err(FactoryError::Chain(why));
        }
        self.breaker.answered();
        let sender = address_in(answer);
        match &sender {
            Ok(_) => self.log.worked(CREATION),
            Err(error) => self.log.failed(CREATION, error),
        }
        sender
    }
}

#[async_trait]
impl AccountFactory for ChainFactory {
    fn address(&self) -> Address {
        self.address
    }

    /// Each address is requested once: a client may repeat its request, and the chain's node may
    /// limit the rate.
    async fn counterfactual_sender(&self, owner: &Address, salt: &Hash) -> Result<Address, FactoryError> {
        self.known.get_or_ask((*owner, *salt), || self.ask(owner, salt)).await
    }
}

/// The address that the factory returned.
fn address_in(answer: TransportResult<Bytes>) -> Result<Address, FactoryError> {
    let answer = answer.map_err(|error| FactoryError::Chain(why(&error)))?;
    let sender = getAddressCall::abi_decode_returns(&answer).map_err(|_| FactoryError::NoFactory)?;
    if sender.is_zero() { Err(FactoryError::NoFactory) } else { Ok(sender.into()) }
}

/// The transport's error text may contain the node's URL, and a key in it.
fn why(error: &RpcError<TransportErrorKind>) -> String {
    match error {
        RpcError::ErrorResp(payload) => {
            format!("the node answered {}: {}", payload.code, Excerpt(&payload.message))
        }
        RpcError::Transport(TransportErrorKind::HttpError(http)) => {
            format!("the node at kms.factory.rpc_url answered HTTP status {}", http.status)
        }
        RpcError::Transport(kind) if matches!(kind.as_custom(), Some(error) if error.is::<NotJsonRpc>()) => {
            "the answer of kms.factory.rpc_url is not JSON-RPC".to_owned()
        }
        RpcError::Transport(kind) => {
            let why = bounded_http::unsent(kind).map(|why| format!(": {why}")).unwrap_or_default();
            format!("the node at kms.factory.rpc_url cannot be reached{why}")
        }
        _ => "the answer of kms.factory.rpc_url does not parse".to_owned(),
    }
}

/// Whether the node answered, even with an error.
fn is_answer<T>(answer: &TransportResult<T>) -> bool {
    match answer {
        Err(RpcError::Transport(TransportErrorKind::HttpError(http))) => {
            !StatusCode::from_u16(http.status).is_ok_and(bounded_http::is_failure)
        }
        Err(RpcError::Transport(_)) => false,
        _ => true,
    }
}
