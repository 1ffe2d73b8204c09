//! The port's implementation with a node's JSON-RPC.

use std::collections::HashSet;

use alloy_primitives::U64;
use alloy_provider::Provider;
use alloy_rpc_client::BatchRequest;
use async_trait::async_trait;
use proto::{Address, EntryPointVersion, Hash, Uint256, UserOpHash, UserOperation, Wei};

use super::abi::{
    activationDelayCall, balanceOfCall, decimalsCall, isActiveSignerCall, latestRoundDataCall, maxWindowCall,
    signerOfCall,
};
use super::account_code;
use super::creation::Factories;
use super::facts;
use super::header::{Header, tag_of};
use super::mined;
use super::node::{Node, wei};
use super::nonces;
use super::tip::Tip;
use super::{AccountOp, Block, ChainError, DepositEvent, EntryPointReader, Facts, FeedAnswer, Nonces, version};
use crate::account_code::AccountCode;
use crate::clients::Asker;
use crate::deployment::Deployment;
use crate::settings::{ChainSettings, SettingsError};

/// The chain as reported by a node. Every request ends within the configured timeout, answered or
/// not.
#[derive(Clone, Debug)]
pub struct RpcChain {
    node: Node,
    factories: Factories,
    tip: Tip,
}

impl RpcChain {
    /// Creates the client; it makes no request yet.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] if the URL is invalid.
    pub fn new(settings: &ChainSettings) -> Result<Self, SettingsError> {
        let node = Node::new(settings)?;
        Ok(Self { factories: Factories::of(node.clone()), node, tip: Tip::default() })
    }

    /// Seconds between the proposal of a signer and its activation, as required by the paymaster
    /// contract.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn activation_delay(&self, paymaster: Address) -> Result<u32, ChainError> {
        self.node.call(paymaster, &activationDelayCall {}).await
    }

    async fn header_of(&self, number: u64) -> Result<Option<Header>, ChainError> {
        let query = self.node.provider().raw_request("eth_getBlockByNumber".into(), (tag_of(number), false));
        let header: Option<Header> = self.node.ask_of_old(query).await?;
        let Some(header) = header else { return Ok(None) };
        header.check_number(number)?;
        Ok(Some(header))
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
        facts::read(&self.node, &self.factories, deployment, op, signer, asker).await
    }

    async fn suggested_tip(&self, at: u64) -> Result<u128, ChainError> {
        self.tip.suggested(&self.node, at).await
    }

    async fn account_codes(
        &self,
        deployment: &Deployment,
        op: (&UserOperation, Option<Address>),
        proxies: &HashSet<Hash>,
        asker: &Asker,
    ) -> Result<Vec<AccountCode>, ChainError> {
        account_code::read(&self.node, &self.factories, deployment, op, proxies, asker).await
    }

    async fn latest_block(&self) -> Result<Block, ChainError> {
        let mut batch = BatchRequest::new(self.node.provider().client());
        let failed = |error| self.node.describe(&error);
        let served = batch.add_call::<_, U64>("eth_chainId", &()).map_err(failed)?;
        let header = batch.add_call("eth_getBlockByNumber", &("latest", false)).map_err(failed)?;
        self.node.within(batch.send()).await?.map_err(failed)?;
        self.node.check_chain_id(served.await)?;
        let header: Option<Header> = header.await.map_err(failed)?;
        header.ok_or_else(|| ChainError::node("the node has no latest block"))?.block()
    }

    async fn block(&self, number: u64) -> Result<Block, ChainError> {
        let header = self.header_of(number).await?;
        header.ok_or_else(|| ChainError::node(format!("the node has no block {number}")))?.block()
    }

    async fn hash_of(&self, number: u64) -> Result<Option<Hash>, ChainError> {
        self.header_of(number).await?.map(|header| header.hash()).transpose()
    }

    async fn mined(&self, deployment: &Deployment, from: u64, to: u64) -> Result<Vec<AccountOp>, ChainError> {
        mined::of_paymaster(&self.node, deployment, from, to).await
    }

    async fn mined_of(
        &self,
        entry_point: Address,
        sender: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<AccountOp>, ChainError> {
        mined::of_sender(&self.node, entry_point, sender, from, to).await
    }

    async fn deposit_events(
        &self,
        deployment: &Deployment,
        from: u64,
        to: u64,
    ) -> Result<Vec<DepositEvent>, ChainError> {
        mined::of_deposit(&self.node, deployment, from, to).await
    }

    async fn deposit_at(&self, deployment: &Deployment, block: u64) -> Result<Wei, ChainError> {
        let call = balanceOfCall { account: deployment.paymaster.into() };
        self.node.call_at(deployment.entry_point.address, &call, block).await.map(wei)
    }

    async fn next_nonces(
        &self,
        entry_point: Address,
        accounts: &[(Address, Uint256)],
        at: u64,
    ) -> Result<Nonces, ChainError> {
        nonces::read(&self.node, entry_point, accounts, at).await
    }

    async fn admits(&self, deployment: &Deployment, signer: Address) -> Result<bool, ChainError> {
        self.node.call(deployment.paymaster, &isActiveSignerCall { signer: signer.into() }).await
    }

    async fn activatable_at(&self, deployment: &Deployment, signer: Address) -> Result<Option<u64>, ChainError> {
        let paymaster = deployment.paymaster;
        let record = self.node.call(paymaster, &signerOfCall { signer: signer.into() }).await?;
        if record.proposedAt.is_zero() || !record.activatedAt.is_zero() {
            return Ok(None);
        }
        let delay = self.activation_delay(paymaster).await?;
        Ok(Some(record.proposedAt.to::<u64>().saturating_add(delay.into())))
    }

    async fn max_window(&self, deployment: &Deployment) -> Result<u32, ChainError> {
        self.node.call(deployment.paymaster, &maxWindowCall {}).await
    }

    async fn is_of_version(&self, deployment: &Deployment) -> Result<bool, ChainError> {
        let entry_point = deployment.entry_point;
        let Some(op) = version::operation() else { return Ok(true) };
        let and_data =
            op.paymaster.as_ref().map(|paymaster| paymaster.and_data(entry_point.version)).unwrap_or_default();
        let told = match entry_point.version {
            EntryPointVersion::V06 => self.node.call(entry_point.address, &version::hash_call_of_v06(and_data)).await?,
            EntryPointVersion::V07 | EntryPointVersion::V08 | EntryPointVersion::V09 => {
                self.node.call(entry_point.address, &version::hash_call(and_data)).await?
            }
        };
        Ok(op.hash(&entry_point) == UserOpHash(told.0))
    }

    async fn chain_id(&self) -> Result<u64, ChainError> {
        self.node.ask(self.node.provider().get_chain_id()).await
    }

    async fn feed_answer(&self, feed: Address) -> Result<FeedAnswer, ChainError> {
        let (round, decimals) = (latestRoundDataCall {}, decimalsCall {});
        let (round, decimals) = tokio::try_join!(self.node.call(feed, &round), self.node.call(feed, &decimals))?;
        Ok(FeedAnswer {
            answer: i128::try_from(round.answer).unwrap_or_default(),
            decimals,
            updated_at: round.updatedAt.saturating_to(),
        })
    }

    async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        let code = self.node.ask(self.node.provider().get_code_at(address.into())).await?;
        Ok(!code.is_empty())
    }
}
