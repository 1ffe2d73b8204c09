//! Our paymaster on a local chain, and what its owner does with it.

use alloy_primitives::aliases::U48;
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, SolValue};
use serde_json::Value;

use crate::abi::{SuperPaymaster, SuperPaymasterV07};
use crate::user_operation::Packed;
use crate::{Anvil, DevkitError, EntryPoint, Tools, artifact, chain};

/// A deployed paymaster; its owner is [`Anvil::deployer`].
#[derive(Clone, Debug)]
pub struct Paymaster {
    address: Address,
    owner: Address,
    entry_point: EntryPoint,
}

impl Paymaster {
    /// Deploys the contract that serves that EntryPoint: without signers, deposit or stake.
    ///
    /// # Errors
    /// [`DevkitError::ToolMissing`] before the contracts are built; otherwise as any transaction.
    pub async fn deploy(anvil: &Anvil, tools: &Tools, entry_point: &EntryPoint) -> Result<Self, DevkitError> {
        let owner = anvil.deployer();
        let mut code = artifact::creation_code(&tools.paymaster(entry_point.version()))?.to_vec();
        code.extend((entry_point.address(), owner).abi_encode());

        let request = TransactionRequest::default()
            .from(owner)
            .create()
            .gas_limit(chain::GAS_LIMIT)
            .input(TransactionInput::new(code.into()));
        let receipt = chain::send(anvil.provider(), request).await?;
        let transaction = receipt.transaction_hash;
        let address = receipt.contract_address.ok_or(DevkitError::NothingDeployed { transaction })?;
        Ok(Self { address, owner, entry_point: entry_point.clone() })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Admits a TEE's signing key, with the measurement of the trusted application that holds it.
    ///
    /// # Errors
    /// The contract refuses a zero address and a zero measurement.
    pub async fn admit_signer(&self, signer: Address, measurement: B256) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::addSignerCall { signer, measurement }, U256::ZERO).await
    }

    /// Takes a signing key's authority away.
    ///
    /// # Errors
    /// As any transaction.
    pub async fn remove_signer(&self, signer: Address) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::removeSignerCall { signer }, U256::ZERO).await
    }

    /// The measurement a signer was admitted with; zero for a stranger.
    ///
    /// # Errors
    /// As any chain read.
    pub async fn measurement_of(&self, signer: Address) -> Result<B256, DevkitError> {
        self.view(&SuperPaymaster::measurementOfCall { signer }).await
    }

    /// Puts wei on the paymaster's account at the EntryPoint.
    ///
    /// # Errors
    /// As any transaction.
    pub async fn deposit(&self, wei: U256) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::depositCall {}, wei).await
    }

    /// Locks wei as stake, which ERC-7562 asks of a paymaster that reads its own storage.
    ///
    /// # Errors
    /// As any transaction.
    pub async fn stake(&self, wei: U256, unstake_delay_seconds: u32) -> Result<(), DevkitError> {
        let call = SuperPaymaster::addStakeCall { unstakeDelaySec: unstake_delay_seconds };
        self.as_owner(&call, wei).await
    }

    /// Wei left on the paymaster's account at the EntryPoint.
    ///
    /// # Errors
    /// As any chain read.
    pub async fn deposited(&self) -> Result<U256, DevkitError> {
        self.view(&SuperPaymaster::getDepositCall {}).await
    }

    /// Stops all sponsoring.
    ///
    /// # Errors
    /// As any transaction.
    pub async fn pause(&self) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::pauseCall {}, U256::ZERO).await
    }

    /// Sponsors again.
    ///
    /// # Errors
    /// As any transaction.
    pub async fn unpause(&self) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::unpauseCall {}, U256::ZERO).await
    }

    /// The EIP-712 digest the contract expects a signature over, for a complete JSON operation; times in Unix seconds.
    ///
    /// # Errors
    /// [`DevkitError::Wire`] when the operation is not of the EntryPoint's shape.
    pub async fn sponsorship_digest(
        &self,
        operation: &Value,
        valid_until: U48,
        valid_after: U48,
    ) -> Result<B256, DevkitError> {
        let packed = Packed::parse(self.entry_point.version(), operation)?;
        let input = packed.sponsorship_digest(valid_until, valid_after);
        let request = chain::authorized(chain::request(self.owner, self.address, input), packed.authorizations);
        let answer = chain::simulate(self.entry_point.provider(), request).await?;
        Ok(SuperPaymasterV07::getHashCall::abi_decode_returns_validate(&answer)?)
    }

    async fn as_owner<C: SolCall>(&self, call: &C, wei: U256) -> Result<(), DevkitError> {
        let request = chain::request(self.owner, self.address, call.abi_encode()).value(wei);
        chain::send(self.entry_point.provider(), request).await?;
        Ok(())
    }

    async fn view<C: SolCall>(&self, call: &C) -> Result<C::Return, DevkitError> {
        chain::view(self.entry_point.provider(), self.address, call).await
    }
}
