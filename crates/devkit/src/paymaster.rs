//! Our paymaster on a local chain, and its owner's actions.

use alloy_primitives::aliases::U48;
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, SolValue};
use serde_json::Value;

use crate::abi::SuperPaymaster::SuperPaymasterCalls;
use crate::abi::{SuperPaymaster, SuperPaymasterV07};
use crate::user_operation::Packed;
use crate::{Anvil, DevkitError, EntryPoint, Tools, artifact, chain};

/// The constructor arguments of the contract besides EntryPoint and owner.
#[derive(Clone, Debug)]
pub struct PaymasterOptions {
    /// Seconds between the proposal of a signer and its activation. Production uses a day or more.
    pub activation_delay_seconds: u32,
    /// Seconds, like the ceiling of the trusted application.
    pub max_window_seconds: u32,
    /// May pause and remove signers; without one the owner is its own guardian.
    pub guardian: Option<Address>,
    /// Keys that are active from the start.
    pub signers: Vec<TeeSigner>,
}

impl Default for PaymasterOptions {
    fn default() -> Self {
        Self { activation_delay_seconds: 0, max_window_seconds: 3600, guardian: None, signers: Vec::new() }
    }
}

/// A paymaster key in a TEE, with its attested properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeeSigner {
    /// The key's address.
    pub address: Address,
    /// Measurement of the trusted application that holds the key.
    pub measurement: B256,
    /// Id of the TEE that holds the key.
    pub tee_id: B256,
}

/// The contract's record of a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerRecord {
    /// Unix seconds.
    pub proposed_at: u64,
    /// Unix seconds; `None` while it is only proposed.
    pub activated_at: Option<u64>,
    /// Measurement of the trusted application, as proposed.
    pub measurement: B256,
    /// Id of the TEE, as proposed.
    pub tee_id: B256,
}

/// A deployed paymaster; its owner is [`Anvil::deployer`].
#[derive(Clone, Debug)]
pub struct Paymaster {
    address: Address,
    owner: Address,
    entry_point: EntryPoint,
}

impl Paymaster {
    /// Deploys the contract for that EntryPoint with the default options: without signers, deposit
    /// or stake.
    ///
    /// # Errors
    /// Those of [`Self::deploy_with`].
    pub async fn deploy(anvil: &Anvil, tools: &Tools, entry_point: &EntryPoint) -> Result<Self, DevkitError> {
        Self::deploy_with(anvil, tools, entry_point, &PaymasterOptions::default()).await
    }

    /// Deploys the contract for that EntryPoint, without deposit or stake.
    ///
    /// # Errors
    /// [`DevkitError::ToolMissing`] and [`DevkitError::ArtifactOutdated`] if the contracts are not
    /// built or outdated; otherwise those of any transaction.
    pub async fn deploy_with(
        anvil: &Anvil,
        tools: &Tools,
        entry_point: &EntryPoint,
        options: &PaymasterOptions,
    ) -> Result<Self, DevkitError> {
        let owner = anvil.deployer();
        let path = tools.paymaster(entry_point.version());
        let mut code = artifact::creation_code_with(&path, SuperPaymasterCalls::SELECTORS)?.to_vec();
        let signers = options.signers.iter().map(|signer| SuperPaymaster::InitialSigner {
            signer: signer.address,
            measurement: signer.measurement,
            teeId: signer.tee_id,
        });
        let arguments = (
            entry_point.address(),
            owner,
            options.guardian.unwrap_or(owner),
            options.activation_delay_seconds,
            options.max_window_seconds,
            signers.collect::<Vec<_>>(),
        );
        code.extend(arguments.abi_encode_params());

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

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Proposes a TEE's signing key and activates it, which requires a contract without delay.
    ///
    /// # Errors
    /// Those of [`Self::propose_signer`] and [`Self::activate_signer`].
    pub async fn admit_signer(&self, signer: &TeeSigner) -> Result<(), DevkitError> {
        self.propose_signer(signer).await?;
        self.activate_signer(signer.address).await
    }

    /// Proposes a TEE's signing key.
    ///
    /// # Errors
    /// The contract refuses zero values, and a key that it already knows.
    pub async fn propose_signer(&self, signer: &TeeSigner) -> Result<(), DevkitError> {
        let TeeSigner { address, measurement, tee_id } = *signer;
        let call = SuperPaymaster::proposeSignerCall { signer: address, measurement, teeId: tee_id };
        self.as_owner(&call, U256::ZERO).await
    }

    /// Activates a proposed signing key.
    ///
    /// # Errors
    /// The contract refuses until the delay has passed.
    pub async fn activate_signer(&self, signer: Address) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::activateSignerCall { signer }, U256::ZERO).await
    }

    /// Removes a signing key immediately, or cancels its proposal.
    ///
    /// # Errors
    /// Those of any transaction.
    pub async fn remove_signer(&self, signer: Address) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::removeSignerCall { signer }, U256::ZERO).await
    }

    /// Whether operations signed by this key are sponsored.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn is_active_signer(&self, signer: Address) -> Result<bool, DevkitError> {
        self.view(&SuperPaymaster::isActiveSignerCall { signer }).await
    }

    /// The contract's record of a key; `None` if it is unknown.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn signer(&self, signer: Address) -> Result<Option<SignerRecord>, DevkitError> {
        let record = self.view(&SuperPaymaster::signerOfCall { signer }).await?;
        let known = !record.proposedAt.is_zero();
        Ok(known.then(|| SignerRecord {
            proposed_at: record.proposedAt.to(),
            activated_at: (!record.activatedAt.is_zero()).then(|| record.activatedAt.to()),
            measurement: record.measurement,
            tee_id: record.teeId,
        }))
    }

    /// Seconds between the proposal of a signer and its activation.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn activation_delay(&self) -> Result<u32, DevkitError> {
        self.view(&SuperPaymaster::activationDelayCall {}).await
    }

    /// Deposits wei for the paymaster at the EntryPoint.
    ///
    /// # Errors
    /// Those of any transaction.
    pub async fn deposit(&self, wei: U256) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::depositCall {}, wei).await
    }

    /// Withdraws wei of the deposit.
    ///
    /// # Errors
    /// Those of any transaction.
    pub async fn withdraw_to(&self, recipient: Address, wei: U256) -> Result<(), DevkitError> {
        let call = SuperPaymaster::withdrawToCall { recipient, amount: wei };
        self.as_owner(&call, U256::ZERO).await
    }

    /// Locks wei as stake, which ERC-7562 requires of a paymaster that reads its own storage.
    ///
    /// # Errors
    /// Those of any transaction.
    pub async fn stake(&self, wei: U256, unstake_delay_seconds: u32) -> Result<(), DevkitError> {
        let call = SuperPaymaster::addStakeCall { unstakeDelaySec: unstake_delay_seconds };
        self.as_owner(&call, wei).await
    }

    /// The paymaster's remaining deposit at the EntryPoint, in wei.
    ///
    /// # Errors
    /// Those of any chain read.
    pub async fn deposited(&self) -> Result<U256, DevkitError> {
        self.view(&SuperPaymaster::getDepositCall {}).await
    }

    /// Stops all sponsoring.
    ///
    /// # Errors
    /// Those of any transaction.
    pub async fn pause(&self) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::pauseCall {}, U256::ZERO).await
    }

    /// Resumes sponsoring.
    ///
    /// # Errors
    /// Those of any transaction.
    pub async fn unpause(&self) -> Result<(), DevkitError> {
        self.as_owner(&SuperPaymaster::unpauseCall {}, U256::ZERO).await
    }

    /// The EIP-712 digest that the contract expects to be signed, for a complete JSON operation;
    /// times in Unix seconds.
    ///
    /// # Errors
    /// [`DevkitError::Wire`] if the operation does not have the EntryPoint's form.
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
