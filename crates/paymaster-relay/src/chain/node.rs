//! JSON-RPC requests to a node with a timeout, and the interpretation of its answers.

use std::sync::Arc;
use std::time::Duration;

use alloy_json_rpc::ErrorPayload;
use alloy_primitives::{Bytes, U64, U256};
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::{BatchRequest, RpcClient};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::SolCall;
use bounded_http::{JsonRpc, exceeded};
use breaker::Breaker;
use proto::json::Excerpt;
use proto::{Address, Wei};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::ChainError;
use super::place::{Place, is_nonsense};
use crate::settings::{ChainSettings, SettingsError};

/// A request that fails within this fraction of the timeout was not too much for the node.
const QUICK: u32 = 4;
/// An HTTP status; some nodes also use it as a code of JSON-RPC.
const TOO_MANY_REQUESTS: u16 = 429;

/// A node. Every request ends within the configured timeout, answered or not; after one was not
/// answered, others fail immediately until the node answers.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) provider: RootProvider,
    pub(super) patience: Duration,
    chain_id: u64,
    place: Place,
    breaker: Arc<Breaker>,
}

impl Node {
    /// Creates the client; it makes no request yet.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] if the URL is invalid.
    pub(super) fn new(settings: &ChainSettings) -> Result<Self, SettingsError> {
        let node = JsonRpc::new(settings.url()?);
        let connections = node.connections();
        let provider = RootProvider::new(RpcClient::new(node, false));
        let patience = Duration::from_secs(settings.timeout_seconds);
        let place = Place::of(settings);
        let (probed, asked) = (provider.clone(), place.clone());
        let breaker = Breaker::new(place.chain(), move || {
            connections.renew();
            let (provider, place) = (probed.clone(), asked.clone());
            async move { place.why_unanswered(&timeout(patience, probe(&provider)).await).is_none() }
        });
        Ok(Self { provider, patience, chain_id: settings.chain_id, place, breaker })
    }

    /// Sends one request, or a batch. The inner error is the node's answer, or at least concerns
    /// it.
    pub(super) async fn within<T>(
        &self,
        question: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<TransportResult<T>, ChainError> {
        let begun = self.breaker.check().map_err(|outage| unreachable(&outage.to_string()))?;
        let outcome = timeout(self.patience, question.into_future()).await;
        self.note(begun, outcome)
    }

    /// The same for requests that may be too expensive even for a healthy node: no answer within a
    /// quarter of the timeout, or a server error after it, then gives that error instead of an
    /// outage. A refusal in HTTP, such as status 429, or something that is not JSON-RPC, is an
    /// answer to that request. A batch without expensive requests detects outages.
    pub(super) async fn within_or<T>(
        &self,
        question: impl IntoFuture<Output = TransportResult<T>>,
        too_slow: impl FnOnce() -> ChainError,
    ) -> Result<TransportResult<T>, ChainError> {
        let begun = self.breaker.check().map_err(|outage| unreachable(&outage.to_string()))?;
        let outcome = timeout(self.patience, question.into_future()).await;
        if begun.elapsed() >= self.patience / QUICK && self.place.why_unanswered(&outcome).is_some() {
            return Err(too_slow());
        }
        match outcome {
            Ok(Err(error)) if is_refusal_in_http(&error) => Ok(Err(error)),
            outcome => self.note(begun, outcome),
        }
    }

    fn note<T>(
        &self,
        begun: Instant,
        outcome: Result<TransportResult<T>, Elapsed>,
    ) -> Result<TransportResult<T>, ChainError> {
        if let Some(why) = self.place.why_unanswered(&outcome) {
            self.breaker.failed(begun, &why);
            return Err(unreachable(&why));
        }
        self.breaker.answered();
        match outcome {
            Ok(Err(RpcError::Transport(kind))) if let Some(limit) = exceeded(&kind) => {
                Err(ChainError::AnswerTooLarge { limit })
            }
            outcome => outcome.map_err(|_| unreachable(&self.place.no_answer())),
        }
    }

    pub(super) async fn call<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, ChainError> {
        let request =
            TransactionRequest::default().to(contract.into()).input(TransactionInput::new(call.abi_encode().into()));
        let answer = self.within(self.provider.call(request)).await?;
        self.decoded::<C>(contract, answer)
    }

    pub(super) async fn ask<T>(&self, question: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, ChainError> {
        self.within(question).await?.map_err(|error| self.describe(&error))
    }

    /// Checks the answer to `eth_chainId`.
    ///
    /// # Errors
    /// [`ChainError::OtherChain`]; the node's refusal.
    pub(super) fn check_chain_id(&self, served: TransportResult<U64>) -> Result<(), ChainError> {
        let (served, configured) = (served.map_err(|error| self.describe(&error))?.to(), self.chain_id);
        if served == configured { Ok(()) } else { Err(ChainError::OtherChain { served, configured }) }
    }

    /// Decodes a contract's answer to a call.
    pub(super) fn decoded<C: SolCall>(
        &self,
        contract: Address,
        answer: TransportResult<Bytes>,
    ) -> Result<C::Return, ChainError> {
        let answer = answer.map_err(|error| self.contract_error::<C>(contract, &error))?;
        C::abi_decode_returns_validate(&answer).map_err(|_| ChainError::Contract {
            contract,
            function: C::SIGNATURE,
            detail: "its answer has another form; is it deployed?".to_owned(),
        })
    }

    /// The error of a failed call: the contract's if it reverts, otherwise the node's.
    pub(super) fn contract_error<C: SolCall>(
        &self,
        contract: Address,
        error: &RpcError<TransportErrorKind>,
    ) -> ChainError {
        match error {
            RpcError::ErrorResp(payload) if is_revert(payload) => ChainError::Contract {
                contract,
                function: C::SIGNATURE,
                detail: answered(payload.code, &payload.message),
            },
            _ => self.describe(error),
        }
    }

    /// Omits everything that may contain the node's URL, and the key in it.
    pub(super) fn describe(&self, error: &RpcError<TransportErrorKind>) -> ChainError {
        let place = &self.place;
        match error {
            RpcError::ErrorResp(payload) if payload.code == i64::from(TOO_MANY_REQUESTS) => {
                ChainError::RateLimited { detail: answered(payload.code, &payload.message) }
            }
            RpcError::ErrorResp(payload) => ChainError::node(answered(payload.code, &payload.message)),
            RpcError::Transport(TransportErrorKind::HttpError(http)) if http.status == TOO_MANY_REQUESTS => {
                ChainError::RateLimited { detail: place.http_status(http.status) }
            }
            RpcError::Transport(TransportErrorKind::HttpError(http)) => {
                ChainError::node(place.http_status(http.status))
            }
            RpcError::Transport(TransportErrorKind::MissingBatchResponse(_)) => ChainError::node(place.no_batch()),
            RpcError::Transport(kind) if is_nonsense(kind) => ChainError::node(place.not_json_rpc()),
            RpcError::Transport(kind) => ChainError::node(place.not_reached(kind)),
            _ => ChainError::node("the node's answer does not parse"),
        }
    }
}

/// Whether something answered, but not with JSON-RPC.
fn is_refusal_in_http(error: &RpcError<TransportErrorKind>) -> bool {
    matches!(error, RpcError::Transport(kind) if kind.as_http_error().is_some() || is_nonsense(kind))
}

/// Probes with a batch, as sponsorships use: some nodes answer only single calls.
async fn probe(provider: &RootProvider) -> TransportResult<()> {
    let mut batch = BatchRequest::new(provider.client());
    let _chain_id = batch.add_call::<_, U64>("eth_chainId", &())?;
    batch.send().await
}

/// More than 128 bits of wei cannot exist; it is capped.
pub(super) fn wei(value: U256) -> Wei {
    Wei(value.saturating_to())
}

/// Nodes use the code 3 for it, or other codes and the word.
fn is_revert(payload: &ErrorPayload) -> bool {
    payload.code == 3 || payload.message.to_ascii_lowercase().contains("revert")
}

fn unreachable(detail: &str) -> ChainError {
    ChainError::Unreachable { detail: detail.to_owned() }
}

fn answered(code: i64, message: &str) -> String {
    format!("the node answered {code}: {}", Excerpt(message))
}
