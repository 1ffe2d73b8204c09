//! The chain over a node's JSON-RPC.

use std::sync::Arc;
use std::time::Duration;

use alloy_json_rpc::ErrorPayload;
use alloy_primitives::{Address as EthAddress, Bytes, U64, U256};
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::{BatchRequest, RpcClient};
use alloy_rpc_types_eth::{Filter, Log, TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, SolEvent, sol};
use async_trait::async_trait;
use bounded_http::{JsonRpc, NotJsonRpc, exceeded, is_failure};
use breaker::Breaker;
use proto::json::Excerpt;
use proto::{Address, EntryPointVersion, Hash, UserOpHash, UserOperation, Wei};
use reqwest::StatusCode;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::facts::{self, Header};
use super::simulations::{Place, SimulatedCall, Simulations};
use super::{Block, ChainError, EntryPointReader, Facts, MinedOp, version};
use crate::catalogue::Deployment;
use crate::clients::Asker;
use crate::settings::{ChainSettings, SettingsError};

sol! {
    struct SignerRecord {
        uint48 proposedAt;
        uint48 activatedAt;
        bytes32 measurement;
        bytes32 teeId;
    }

    function balanceOf(address account) returns (uint256);
    function paused() returns (bool);
    function isActiveSigner(address signer) returns (bool);
    function signerOf(address signer) returns (SignerRecord);
    function activationDelay() returns (uint32);
    function maxWindow() returns (uint32);
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

const NO_ANSWER: &str = "the node did not answer in time";
const NO_BATCH: &str = "the node leaves calls of a JSON-RPC batch unanswered, and every sponsorship asks by one: use a node that \
                        takes batches";
const UNREACHABLE: &str = "the node cannot be reached";

/// A node. Every question ends within the configured time, answered or not; once one was not, the others end at once until
/// the node answers.
#[derive(Clone, Debug)]
pub struct RpcChain {
    pub(super) provider: RootProvider,
    pub(super) patience: Duration,
    breaker: Arc<Breaker>,
    /// Places for questions that run a factory.
    pub(super) simulations: Arc<Simulations>,
}

impl RpcChain {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] when the address is no URL.
    pub fn new(settings: &ChainSettings) -> Result<Self, SettingsError> {
        let provider = RootProvider::new(RpcClient::new(JsonRpc::new(settings.url()?), false));
        let patience = Duration::from_secs(settings.timeout_seconds);
        let probed = provider.clone();
        let breaker = Breaker::new("the chain", move || {
            let provider = probed.clone();
            async move { why_unanswered(&timeout(patience, probe(&provider)).await).is_none() }
        });
        Ok(Self { provider, patience, breaker, simulations: Arc::new(Simulations::new()) })
    }

    /// Leave to run a factory, which is a stranger's code. However many ask, the node runs a few at once and has time for
    /// what needs none. `None` when there is no place in time, or the call took too long a moment ago, which says nothing about the node.
    pub(super) async fn simulation(&self, call: SimulatedCall, asker: &Asker) -> Option<Place> {
        self.simulations.place(call, asker, self.patience).await
    }

    /// Seconds between the proposal of a signer and its activation, which the paymaster contract asks for.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn activation_delay(&self, paymaster: Address) -> Result<u32, ChainError> {
        self.call(paymaster, &activationDelayCall {}).await
    }

    /// Asks one question, or a batch of them. The inner error is the node's answer, or at least about it.
    pub(super) async fn within<T>(
        &self,
        question: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<TransportResult<T>, ChainError> {
        let begun = self.breaker.check().map_err(|outage| unreachable(&outage.to_string()))?;
        let outcome = timeout(self.patience, question.into_future()).await;
        self.note(begun, outcome)
    }

    /// The same for what may be too much however well the node is: that there is no answer, or a server's error, is that error
    /// then and no outage. A batch that needs nothing special notices one.
    pub(super) async fn within_or<T>(
        &self,
        question: impl IntoFuture<Output = TransportResult<T>>,
        too_slow: impl FnOnce() -> ChainError,
    ) -> Result<TransportResult<T>, ChainError> {
        let begun = self.breaker.check().map_err(|outage| unreachable(&outage.to_string()))?;
        let outcome = timeout(self.patience, question.into_future()).await;
        if why_unanswered(&outcome).is_some() {
            return Err(too_slow());
        }
        self.note(begun, outcome)
    }

    fn note<T>(
        &self,
        begun: Instant,
        outcome: Result<TransportResult<T>, Elapsed>,
    ) -> Result<TransportResult<T>, ChainError> {
        if let Some(why) = why_unanswered(&outcome) {
            self.breaker.failed(begun, &why);
            return Err(unreachable(&why));
        }
        self.breaker.answered();
        match outcome {
            Ok(Err(RpcError::Transport(kind))) if let Some(limit) = exceeded(&kind) => {
                Err(ChainError::AnswerTooLarge { limit })
            }
            outcome => outcome.map_err(|_| unreachable(NO_ANSWER)),
        }
    }

    async fn call<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, ChainError> {
        let request =
            TransactionRequest::default().to(eth(contract)).input(TransactionInput::new(call.abi_encode().into()));
        let answer = self.within(self.provider.call(request)).await?;
        decoded::<C>(contract, answer)
    }

    async fn ask<T>(&self, question: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, ChainError> {
        self.within(question).await?.map_err(|error| describe(&error))
    }

    async fn header(&self, tag: &str) -> Result<Option<Header>, ChainError> {
        self.ask(self.provider.raw_request("eth_getBlockByNumber".into(), (tag, false))).await
    }

    async fn header_of(&self, number: u64) -> Result<Option<Header>, ChainError> {
        let Some(header) = self.header(&format!("{number:#x}")).await? else { return Ok(None) };
        match header.block()?.number {
            told if told == number => Ok(Some(header)),
            told => Err(ChainError::node(format!("the node was asked for block {number}, and answered {told}"))),
        }
    }
}

#[async_trait]
impl EntryPointReader for RpcChain {
    async fn facts(
        &self,
        deployment: &Deployment,
        op: &UserOperation,
        signer: Option<Address>,
        asker: Option<&Asker>,
    ) -> Result<Facts, ChainError> {
        facts::read(self, deployment, op, signer, asker).await
    }

    async fn latest_block(&self) -> Result<Block, ChainError> {
        let header = self.header("latest").await?;
        header.ok_or_else(|| ChainError::node("the node has no latest block"))?.block()
    }

    async fn block(&self, number: u64) -> Result<Block, ChainError> {
        let header = self.header_of(number).await?;
        header.ok_or_else(|| ChainError::node(format!("the node has no block {number}")))?.block()
    }

    async fn hash_of(&self, number: u64) -> Result<Option<Hash>, ChainError> {
        self.header_of(number).await?.map(|header| header.hash()).transpose()
    }

    async fn mined(&self, deployment: &Deployment, from: u64, to: u64) -> Result<Vec<MinedOp>, ChainError> {
        let filter = Filter::new()
            .address(eth(deployment.entry_point.address))
            .event_signature(UserOperationEvent::SIGNATURE_HASH)
            .topic3(eth(deployment.paymaster))
            .from_block(from)
            .to_block(to);
        let question = self.provider.get_logs(&filter);
        let too_slow = || ChainError::LogsNotRead { from, to };
        let logs = self.within_or(question, too_slow).await?.map_err(|error| describe(&error))?;
        logs.iter().map(mined_op).collect()
    }

    async fn admits(&self, deployment: &Deployment, signer: Address) -> Result<bool, ChainError> {
        self.call(deployment.paymaster, &isActiveSignerCall { signer: eth(signer) }).await
    }

    async fn activatable_at(&self, deployment: &Deployment, signer: Address) -> Result<Option<u64>, ChainError> {
        let paymaster = deployment.paymaster;
        let record = self.call(paymaster, &signerOfCall { signer: eth(signer) }).await?;
        if record.proposedAt.is_zero() || !record.activatedAt.is_zero() {
            return Ok(None);
        }
        let delay = self.activation_delay(paymaster).await?;
        Ok(Some(record.proposedAt.to::<u64>().saturating_add(delay.into())))
    }

    async fn max_window(&self, deployment: &Deployment) -> Result<u32, ChainError> {
        self.call(deployment.paymaster, &maxWindowCall {}).await
    }

    async fn is_of_version(&self, deployment: &Deployment) -> Result<bool, ChainError> {
        let entry_point = deployment.entry_point;
        let Some(op) = version::operation() else { return Ok(true) };
        let and_data =
            op.paymaster.as_ref().map(|paymaster| paymaster.and_data(entry_point.version)).unwrap_or_default();
        let told = match entry_point.version {
            EntryPointVersion::V06 => self.call(entry_point.address, &version::question_of_v06(and_data)).await?,
            EntryPointVersion::V07 | EntryPointVersion::V08 | EntryPointVersion::V09 => {
                self.call(entry_point.address, &version::question(and_data)).await?
            }
        };
        Ok(op.hash(&entry_point) == UserOpHash(told.0))
    }

    async fn chain_id(&self) -> Result<u64, ChainError> {
        self.ask(self.provider.get_chain_id()).await
    }

    async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        let code = self.ask(self.provider.get_code_at(eth(address))).await?;
        Ok(!code.is_empty())
    }
}

/// Asks by a batch, as sponsorships do: there are nodes that answer single calls only.
async fn probe(provider: &RootProvider) -> TransportResult<()> {
    let mut batch = BatchRequest::new(provider.client());
    let _chain_id = batch.add_call::<_, U64>("eth_chainId", &())?;
    batch.send().await
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

pub(super) fn eth(address: Address) -> EthAddress {
    EthAddress::new(address.0)
}

/// More than 128 bits of wei is more than there is; it counts as the most that fits.
pub(super) fn wei(value: U256) -> Wei {
    Wei(value.saturating_to())
}

/// What a contract answered to a call.
pub(super) fn decoded<C: SolCall>(contract: Address, answer: TransportResult<Bytes>) -> Result<C::Return, ChainError> {
    let answer = answer.map_err(|error| contract_error::<C>(contract, &error))?;
    C::abi_decode_returns_validate(&answer).map_err(|_| ChainError::Contract {
        contract,
        function: C::SIGNATURE,
        detail: "what it answers is something else; is it deployed?".to_owned(),
    })
}

/// A call that failed: the contract's fault when it reverts, else the node's.
pub(super) fn contract_error<C: SolCall>(contract: Address, error: &RpcError<TransportErrorKind>) -> ChainError {
    match error {
        RpcError::ErrorResp(payload) if is_revert(payload) => {
            ChainError::Contract { contract, function: C::SIGNATURE, detail: answered(payload.code, &payload.message) }
        }
        _ => describe(error),
    }
}

/// Nodes have the code 3 for it, or others and the word.
fn is_revert(payload: &ErrorPayload) -> bool {
    payload.code == 3 || payload.message.to_ascii_lowercase().contains("revert")
}

/// `None` when the node answered, be it with an error or at too great a length. A status of the server's kind is no answer,
/// nor is what is not JSON-RPC.
fn why_unanswered<T>(outcome: &Result<TransportResult<T>, Elapsed>) -> Option<String> {
    let kind = match outcome {
        Err(_) => return Some(NO_ANSWER.to_owned()),
        Ok(Err(RpcError::Transport(kind))) => kind,
        Ok(_) => return None,
    };
    if let Some(http) = kind.as_http_error() {
        let is_failure = StatusCode::from_u16(http.status).map_or(true, is_failure);
        return is_failure.then(|| http_status(http.status));
    }
    if exceeded(kind).is_some() {
        return None;
    }
    let is_nonsense = matches!(kind.as_custom(), Some(error) if error.is::<NotJsonRpc>());
    Some(if is_nonsense { NotJsonRpc.to_string() } else { UNREACHABLE.to_owned() })
}

fn unreachable(detail: &str) -> ChainError {
    ChainError::Unreachable { detail: detail.to_owned() }
}

fn http_status(status: u16) -> String {
    format!("the node answered HTTP status {status}")
}

fn answered(code: i64, message: &str) -> String {
    format!("the node answered {code}: {}", Excerpt(message))
}

/// Leaves out what may carry the node's address, and the key in it.
pub(super) fn describe(error: &RpcError<TransportErrorKind>) -> ChainError {
    match error {
        RpcError::ErrorResp(payload) => ChainError::node(answered(payload.code, &payload.message)),
        RpcError::Transport(TransportErrorKind::HttpError(http)) => ChainError::node(http_status(http.status)),
        RpcError::Transport(TransportErrorKind::MissingBatchResponse(_)) => ChainError::node(NO_BATCH),
        RpcError::Transport(_) => ChainError::node(UNREACHABLE),
        _ => ChainError::node("the node's answer does not parse"),
    }
}
