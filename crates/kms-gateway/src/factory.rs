//! Where an account will stand before it is deployed: asked of the factory contract itself.

use std::time::Duration;

use alloy_primitives::{Bytes, U256};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, sol};
use async_trait::async_trait;
use proto::{Address, Hash};
use thiserror::Error;

use crate::settings::FactorySettings;

sol! {
    function getAddress(address owner, uint256 salt) external view returns (address);
}

/// Tells the address a factory gives to an account.
#[async_trait]
pub trait AccountFactory: Send + Sync {
    /// The factory contract.
    fn address(&self) -> Address;

    /// Where the account of this owner and salt stands, or will.
    ///
    /// # Errors
    /// When the chain can't be asked or answers something else.
    async fn counterfactual_sender(&self, owner: &Address, salt: &Hash) -> Result<Address, FactoryError>;
}

/// The factory could not be asked.
#[derive(Debug, Error)]
pub enum FactoryError {
    /// The node did not answer, or answered with an error.
    #[error("the chain of the account factory: {0}")]
    Chain(String),
    /// The answer is no address: there is no such factory at the configured address.
    #[error("the account factory answered no address")]
    NoFactory,
}

/// The factory contract, over JSON-RPC.
pub struct ChainFactory {
    provider: RootProvider,
    address: Address,
    timeout: Duration,
}

impl ChainFactory {
    /// A client of the configured factory; nothing is asked yet.
    #[must_use]
    pub fn new(settings: &FactorySettings) -> Self {
        Self {
            provider: RootProvider::new_http(settings.rpc_url.clone()),
            address: Address(settings.address.into_array()),
            timeout: Duration::from_secs(settings.timeout_seconds),
        }
    }
}

#[async_trait]
impl AccountFactory for ChainFactory {
    fn address(&self) -> Address {
        self.address
    }

    async fn counterfactual_sender(&self, owner: &Address, salt: &Hash) -> Result<Address, FactoryError> {
        let call = getAddressCall { owner: owner.0.into(), salt: U256::from_be_bytes(salt.0) };
        let request = TransactionRequest {
            to: Some(alloy_primitives::Address::from(self.address.0).into()),
            input: TransactionInput::new(call.abi_encode().into()),
            ..TransactionRequest::default()
        };
        let answer: Bytes = tokio::time::timeout(self.timeout, async { self.provider.call(request).await })
            .await
            .map_err(|_| FactoryError::Chain("no answer in time".into()))?
            .map_err(|error| FactoryError::Chain(error.to_string()))?;
        let sender = getAddressCall::abi_decode_returns(&answer).map_err(|_| FactoryError::NoFactory)?;
        Ok(Address(sender.into_array()))
    }
}
