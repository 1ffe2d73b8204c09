//! JSON-RPC requests to a node, and the interpretation of its answers.

use std::time::Duration;

use alloy_json_rpc::ErrorPayload;
use alloy_primitives::{Bytes, U64, U256};
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{BlockId, TransactionInput, TransactionRequest};
use alloy_sol_types::SolCall;
use bounded_http::JsonRpc;
use proto::json::Excerpt;
use proto::{Address, Wei};

use super::ChainError;
use crate::endpoint::{Endpoint, EndpointError, Place, is_nonsense};
use crate::settings::{ChainSettings, SettingsError};

/// An HTTP status; some nodes also use it as a code of JSON-RPC.
const TOO_MANY_REQUESTS: u16 = 429;
/// What nodes write in an error with another code, which they also use for other limits (-32005,
/// -32007). A range of blocks that is too wide is refused in none of these words.
const RATE_LIMITED: [&str; 6] =
    ["rate limit", "rate-limit", "too many requests", "per second", "request limit", "request count"];

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    endpoint: Endpoint,
    chain_id: u64,
}

impl Node {
    /// Creates the client; it makes no request yet.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] if the URL is invalid.
    pub(super) fn new(settings: &ChainSettings) -> Result<Self, SettingsError> {
        let patience = Duration::from_secs(settings.timeout_seconds);
        let endpoint = Endpoint::new(JsonRpc::new(settings.url()?), Place::node(settings), patience, probe);
        Ok(Self { endpoint, chain_id: settings.chain_id })
    }

    pub(super) const fn provider(&self) -> &RootProvider {
        self.endpoint.provider()
    }

    pub(super) const fn patience(&self) -> Duration {
        self.endpoint.patience()
    }

    /// As [`Endpoint::within`].
    pub(super) async fn within<T>(
        &self,
        query: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<TransportResult<T>, ChainError> {
        Ok(self.endpoint.within(query).await?)
    }

    /// As [`Endpoint::within_or`].
    pub(super) async fn within_or<T>(
        &self,
        query: impl IntoFuture<Output = TransportResult<T>>,
        too_slow: impl FnOnce() -> ChainError,
    ) -> Result<TransportResult<T>, ChainError> {
        self.endpoint.within_or(query, too_slow).await
    }

    pub(super) async fn call<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, ChainError> {
        let request =
            TransactionRequest::default().to(contract.into()).input(TransactionInput::new(call.abi_encode().into()));
        let answer = self.within(self.provider().call(request)).await?;
        self.decoded::<C>(contract, answer)
    }

    /// The same with the state of that block, which the node may no longer have.
    pub(super) async fn call_at<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
        block: u64,
    ) -> Result<C::Return, ChainError> {
        let request =
            TransactionRequest::default().to(contract.into()).input(TransactionInput::new(call.abi_encode().into()));
        let too_slow = || ChainError::node("the node did not answer for an old block in time");
        let answer = self.within_or(self.provider().call(request).block(BlockId::number(block)), too_slow).await?;
        self.decoded::<C>(contract, answer)
    }

    pub(super) async fn ask<T>(&self, query: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, ChainError> {
        self.within(query).await?.map_err(|error| self.describe(&error))
    }

    /// The same for an old block, of which the node, or a database behind it, may have nothing
    /// left: that it fails says nothing about the node.
    pub(super) async fn ask_of_old<T>(
        &self,
        query: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<T, ChainError> {
        let too_slow = || ChainError::node("the node did not answer for an old block in time");
        self.within_or(query, too_slow).await?.map_err(|error| self.describe(&error))
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
            RpcError::ErrorResp(payload) if is_revert(payload) => {
                ChainError::Contract { contract, function: C::SIGNATURE, detail: self.answered(payload) }
            }
            _ => self.describe(error),
        }
    }

    /// Omits everything that may contain the node's URL, and the key in it.
    pub(super) fn describe(&self, error: &RpcError<TransportErrorKind>) -> ChainError {
        let place = self.endpoint.place();
        match error {
            RpcError::ErrorResp(payload) if is_rate_limit(payload) => {
                ChainError::RateLimited { detail: self.answered(payload) }
            }
            RpcError::ErrorResp(payload) => ChainError::node(self.answered(payload)),
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

    fn answered(&self, error: &ErrorPayload) -> String {
        format!("the node answered {}: {}", error.code, Excerpt(&self.endpoint.redacted(&error.message)))
    }
}

/// Probes with a batch, as sponsorships use: some nodes answer only single calls.
async fn probe(provider: RootProvider) -> TransportResult<()> {
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

fn is_rate_limit(payload: &ErrorPayload) -> bool {
    let message = payload.message.to_ascii_lowercase();
    payload.code == i64::from(TOO_MANY_REQUESTS) || RATE_LIMITED.iter().any(|words| message.contains(words))
}

impl From<EndpointError> for ChainError {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Unanswered { detail, .. } => Self::Unreachable { detail },
            EndpointError::AnswerTooLarge { limit } => Self::AnswerTooLarge { limit },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i64, message: &'static str) -> bool {
        is_rate_limit(&ErrorPayload { code, message: message.into(), data: None })
    }

    #[test]
    fn limits_of_the_rate_are_told_from_limits_of_the_range() {
        for (code, message) in [
            (429, "Your app has exceeded its compute units per second capacity."),
            (-32005, "daily request count exceeded, request rate limited"),
            (-32007, "15/second request limit reached - reduce calls per second or upgrade your account"),
            (-32029, "Too Many Requests"),
        ] {
            assert!(refused(code, message), "{message}");
        }
        for (code, message) in [
            (-32005, "query returned more than 10000 results. Try with this block range [0x1, 0x5]."),
            (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range"),
            (-32600, "eth_getLogs is limited to a 10,000 range"),
            (-32000, "exceed maximum block range: 5000"),
            (-32002, "request timed out"),
            (-32005, "limit exceeded"),
        ] {
            assert!(!refused(code, message), "{message}");
        }
    }
}
