//! Whether requests can be served now, and what is in the way, in words for operators: no client is told them.

use std::sync::atomic::Ordering;

use proto::Address;
use thiserror::Error;

use crate::error::RelayError;
use crate::relay::Relay;

/// What is in the way.
#[derive(Debug, Error)]
pub enum NotReady {
    /// A part does not answer.
    #[error("{}", _0.in_full())]
    Part(#[from] RelayError),
    /// The node is one of another chain.
    #[error("the node at relay.chain.rpc_url serves chain {served}, and relay.chain.chain_id is {configured}")]
    OtherChain {
        /// EIP-155 chain id, the node's.
        served: u64,
        /// EIP-155 chain id, the settings'.
        configured: u64,
    },
    /// There is no code at a configured address.
    #[error("chain {chain_id} has no contract at {address}, which relay.deployments names as {role}")]
    NoContract {
        /// EIP-155 chain id.
        chain_id: u64,
        /// Where one should be.
        address: Address,
        /// `entry_point` or `paymaster`, as in the settings.
        role: &'static str,
    },
}

impl Relay {
    /// Whether requests can be served: store, claims, chain and KMS answer, the chain is the configured one, and has the
    /// contracts of every deployment. Contracts that were found are looked for again after the chain could not answer.
    ///
    /// # Errors
    /// The first that is in the way.
    pub async fn ready(&self) -> Result<(), NotReady> {
        self.store.ready().await.map_err(RelayError::from)?;
        self.nonces.ready().await.map_err(RelayError::from)?;
        self.chain_ready().await.inspect_err(|_| self.contracts_found.store(false, Ordering::Relaxed))?;
        Ok(self.kms.ready().await.map_err(RelayError::from)?)
    }

    async fn chain_ready(&self) -> Result<(), NotReady> {
        let configured = self.catalogue.chain_id;
        let served = self.chain.chain_id().await.map_err(RelayError::from)?;
        if served != configured {
            return Err(NotReady::OtherChain { served, configured });
        }
        if self.contracts_found.load(Ordering::Relaxed) {
            return Ok(());
        }
        for deployment in self.catalogue.deployments() {
            for (role, address) in
                [("entry_point", deployment.entry_point.address), ("paymaster", deployment.paymaster)]
            {
                if !self.chain.has_code(address).await.map_err(RelayError::from)? {
                    return Err(NotReady::NoContract { chain_id: configured, address, role });
                }
            }
            self.chain.paymaster(deployment).await.map_err(RelayError::from)?;
        }
        self.contracts_found.store(true, Ordering::Relaxed);
        Ok(())
    }
}
