//! The chain's node: views, and transactions with fees of EIP-1559.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::network::eip2718::Encodable2718 as _;
use alloy_provider::network::{EthereumWallet, NetworkTransactionBuilder as _};
use alloy_provider::transport::{RpcError, TransportError, TransportResult};
use alloy_provider::utils::{Eip1559Estimation, Eip1559Estimator, eip1559_default_estimator};
use alloy_provider::{Provider as _, RootProvider};
use alloy_rpc_client::RpcClient;
use alloy_rpc_types_eth::{BlockNumberOrTag, TransactionInput, TransactionReceipt, TransactionRequest};
use alloy_sol_types::{SolCall, SolInterface as _};
use bounded_http::JsonRpc;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;

use super::abi::SuperPaymaster::SuperPaymasterErrors;
use super::error::ContractsError;
use crate::local_key::LocalKey;
use crate::printable::printable;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// A chain.
pub struct Chain {
    provider: RootProvider,
    id: u64,
}

/// What a transaction does, before gas and fees are known.
pub struct Call {
    /// The contract.
    pub to: Address,
    /// Calldata.
    pub data: Bytes,
    /// Wei.
    pub value: U256,
}

/// Fees of the command line, in wei per gas; the others are the node's.
#[derive(Clone, Copy)]
pub struct Fees {
    /// `maxFeePerGas`.
    pub max: Option<u128>,
    /// `maxPriorityFeePerGas`.
    pub priority: Option<u128>,
    /// The most that all gas may cost, in wei: what the node says is not believed beyond it.
    pub most: U256,
}

/// The sender and its next nonce. Taken before the chain is looked at: what was decided from an
/// older state cannot be mined any more.
#[derive(Clone, Copy)]
pub struct Turn {
    from: Address,
    nonce: u64,
    /// Transactions of the sender that are not mined yet.
    pending: u64,
}

/// A transaction that is complete but for its signature.
pub struct Plan {
    from: Address,
    call: Call,
    chain_id: u64,
    nonce: u64,
    gas_limit: u64,
    max_fee: u128,
    priority_fee: u128,
}

impl Call {
    /// A call without value.
    pub fn of(to: Address, call: &impl SolCall) -> Self {
        Self::paying(to, call, U256::ZERO)
    }

    /// A call that sends wei.
    pub fn paying(to: Address, call: &impl SolCall, value: U256) -> Self {
        Self { to, data: call.abi_encode().into(), value }
    }
}

impl Plan {
    /// The most that its gas can cost, in wei.
    fn max_gas_cost(&self) -> U256 {
        U256::from(self.gas_limit) * U256::from(self.max_fee)
    }

    /// The most it can cost, in wei.
    fn max_cost(&self) -> U256 {
        self.max_gas_cost().saturating_add(self.call.value)
    }

    /// As shown: amounts in wei, in decimal.
    pub fn shown(&self) -> Value {
        json!({
            "chainId": self.chain_id,
            "from": proto::Address::from(self.from),
            "to": proto::Address::from(self.call.to),
            "value": self.call.value.to_string(),
            "data": self.call.data,
            "nonce": self.nonce,
            "gasLimit": self.gas_limit,
            "maxFeePerGas": self.max_fee.to_string(),
            "maxPriorityFeePerGas": self.priority_fee.to_string(),
            "maxCost": self.max_cost().to_string(),
        })
    }

    fn request(&self) -> TransactionRequest {
        TransactionRequest {
            chain_id: Some(self.chain_id),
            nonce: Some(self.nonce),
            gas: Some(self.gas_limit),
            max_fee_per_gas: Some(self.max_fee),
            max_priority_fee_per_gas: Some(self.priority_fee),
            ..request(self.from, &self.call)
        }
    }
}

impl Chain {
    /// The chain of a node, if it has that id.
    pub async fn at(url: Url, expected: u64) -> Result<Self, ContractsError> {
        let provider = RootProvider::new(RpcClient::new(JsonRpc::connecting_within(url, PATIENCE), false));
        let served = ask("eth_chainId", async { provider.get_chain_id().await }).await?;
        if served != expected {
            return Err(ContractsError::WrongChain { served, expected });
        }
        Ok(Self { provider, id: served })
    }

    /// Whether a contract is deployed there.
    pub async fn has_code(&self, address: Address) -> Result<bool, ContractsError> {
        let code = ask("eth_getCode", async { self.provider.get_code_at(address).await }).await?;
        Ok(!code.is_empty())
    }

    /// Calls a view function, in the state of the latest block: what is pending may never be mined.
    /// `None` if the contract does not have it.
    pub async fn view<C: SolCall>(&self, to: Address, call: &C) -> Result<Option<C::Return>, ContractsError> {
        let request = request(Address::ZERO, &Call::of(to, call));
        let answer = within(async { self.provider.call(request).latest().await }).await;
        match answer {
            Ok(answer) => Ok(C::abi_decode_returns_validate(&answer).ok()),
            Err(error) if revert(&error).is_some() => Ok(None),
            Err(error) => Err(failed("eth_call", &error)),
        }
    }

    /// Unix seconds of the latest block.
    pub async fn time(&self) -> Result<u64, ContractsError> {
        let latest = BlockNumberOrTag::Latest;
        let block = ask("eth_getBlockByNumber", async { self.provider.get_block_by_number(latest).await }).await?;
        let missing = || ContractsError::Node { method: "eth_getBlockByNumber", problem: "no block".to_owned() };
        Ok(block.ok_or_else(missing)?.header.timestamp)
    }

    /// Whose transaction is next, and with which nonce.
    pub async fn turn(&self, from: Address) -> Result<Turn, ContractsError> {
        const METHOD: &str = "eth_getTransactionCount";
        let nonce = ask(METHOD, async { self.provider.get_transaction_count(from).latest().await }).await?;
        let next = ask(METHOD, async { self.provider.get_transaction_count(from).pending().await }).await?;
        Ok(Turn { from, nonce, pending: next.saturating_sub(nonce) })
    }

    /// Simulates a call, and adds nonce, gas and fees. A transaction that is not mined yet may do
    /// the same: without `replaces`, nothing follows it.
    pub async fn plan(&self, turn: Turn, call: Call, fees: Fees, replaces: bool) -> Result<Plan, ContractsError> {
        let Turn { from, nonce, pending } = turn;
        if pending > 0 && !replaces {
            return Err(ContractsError::Pending { from, nonce, pending });
        }
        let balance = ask("eth_getBalance", async { self.provider.get_balance(from).await }).await?;
        let affordable = |needed| match balance < needed {
            true => Err(ContractsError::BalanceTooLow { from, balance, needed }),
            false => Ok(()),
        };
        // Nodes have words of their own for it.
        affordable(call.value)?;
        let simulated = request(from, &call);
        let gas = within(async { self.provider.estimate_gas(simulated).latest().await }).await;
        let gas = gas.map_err(|error| match revert(&error) {
            Some(reason) => ContractsError::WouldRevert(reason),
            None => failed("eth_estimateGas", &error),
        })?;
        let estimator = || Eip1559Estimator::new(bounded_fees);
        let market =
            ask("eth_feeHistory", async { self.provider.estimate_eip1559_fees_with(estimator()).await }).await?;
        let max_fee = fees.max.unwrap_or(market.max_fee_per_gas);
        let priority_fee = fees.priority.unwrap_or(market.max_priority_fee_per_gas).min(max_fee);
        // The state may change before it is mined.
        let gas_limit = gas.saturating_add(gas / 5);
        let plan = Plan { from, call, chain_id: self.id, nonce, gas_limit, max_fee, priority_fee };
        if plan.max_gas_cost() > fees.most {
            let (cost, most) = (plan.max_gas_cost(), fees.most);
            return Err(ContractsError::TooExpensive { cost, most, gas: gas_limit, fee: max_fee });
        }
        affordable(plan.max_cost())?;
        Ok(plan)
    }

    /// Signs and sends it, and waits until it is mined; returns what it came to, in JSON.
    pub async fn send(&self, plan: &Plan, key: &LocalKey, seconds: u64) -> Result<Value, ContractsError> {
        let unsigned = |problem: String| ContractsError::Node { method: "signing", problem };
        let wallet = key.wallet().ok_or(ContractsError::KeyMissing)?;
        let signed = plan.request().build(&EthereumWallet::from(wallet)).await;
        let signed = signed.map_err(|error| unsigned(error.to_string()))?;
        let (hash, bytes) = (*signed.tx_hash(), signed.encoded_2718());
        let sent = within(async { self.provider.send_raw_transaction(&bytes).await.map(|_| ()) }).await;
        // The node has the transaction, whatever it says: it may know it already, or send it later.
        let seconds = if matches!(sent, Err(RpcError::ErrorResp(_))) { 0 } else { seconds };
        let doubt = sent.err().map(|error| failed("eth_sendRawTransaction", &error).to_string());
        let receipt = self.receipt(hash, Duration::from_secs(seconds)).await;
        let receipt =
            receipt.map_err(|problem| ContractsError::NotMined { hash, seconds, problem: doubt.or(problem) })?;
        if !receipt.status() {
            return Err(ContractsError::Reverted(hash));
        }
        let mut shown = plan.shown();
        let price = U256::from(receipt.effective_gas_price);
        shown["transactionHash"] = json!(hash);
        shown["blockNumber"] = json!(receipt.block_number);
        shown["gasUsed"] = json!(receipt.gas_used);
        shown["cost"] = (U256::from(receipt.gas_used) * price + plan.call.value).to_string().into();
        Ok(shown)
    }

    async fn receipt(&self, hash: B256, time: Duration) -> Result<TransactionReceipt, Option<String>> {
        let began = Instant::now();
        loop {
            let found =
                ask("eth_getTransactionReceipt", async { self.provider.get_transaction_receipt(hash).await }).await;
            let problem = match found {
                Ok(Some(receipt)) if receipt.transaction_hash == hash => return Ok(receipt),
                Ok(Some(receipt)) => Some(format!("the node's receipt is of {}", receipt.transaction_hash)),
                Ok(None) => None,
                Err(error) => Some(error.to_string()),
            };
            if began.elapsed() + PAUSE > time {
                return Err(problem);
            }
            sleep(PAUSE).await;
        }
    }
}

fn request(from: Address, call: &Call) -> TransactionRequest {
    TransactionRequest::default()
        .from(from)
        .to(call.to)
        .value(call.value)
        .input(TransactionInput::new(call.data.clone()))
}

/// Their sum and double are no overflow; no fee is as high.
fn bounded_fees(base: u128, rewards: &[Vec<u128>]) -> Eip1559Estimation {
    let bounded = |fee: u128| fee.min(u64::MAX.into());
    let rewards: Vec<_> = rewards.iter().map(|block| block.iter().copied().map(bounded).collect()).collect();
    eip1559_default_estimator(bounded(base), &rewards)
}

async fn within<T>(asking: impl Future<Output = TransportResult<T>>) -> TransportResult<T> {
    let late = |_| alloy_provider::transport::TransportErrorKind::custom_str("no answer in time");
    timeout(PATIENCE, asking).await.map_err(late)?
}

async fn ask<T>(method: &'static str, asking: impl Future<Output = TransportResult<T>>) -> Result<T, ContractsError> {
    within(asking).await.map_err(|error| failed(method, &error))
}

/// Never the node's URL, which may contain a key.
fn failed(method: &'static str, error: &TransportError) -> ContractsError {
    let problem = match error {
        RpcError::ErrorResp(refusal) => refusal.message.to_string(),
        RpcError::Transport(kind) => bounded_http::unsent(kind).unwrap_or_else(|| kind.to_string()),
        other => other.to_string(),
    };
    ContractsError::Node { method, problem: printable(&problem) }
}

/// Why a call reverts, if that is the error: the contract's own error, or the node's words.
fn revert(error: &TransportError) -> Option<String> {
    let refusal = error.as_error_resp()?;
    let data = refusal.as_revert_data()?;
    let Ok(known) = SuperPaymasterErrors::abi_decode(&data) else {
        return Some(printable(&format!("{} ({data})", refusal.message)));
    };
    // `Name(Name { … })`: the first is the variant of the enum.
    let text = format!("{known:?}");
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    Some(inner.unwrap_or(&text).to_owned())
}
