//! A deployed paymaster: its state, and what has to be sent to change it.

use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::{SolCall, SolValue as _};
use proto::EntryPointVersion;
use serde_json::{Value, json};

use super::abi::{StakeManager, SuperPaymaster};
use super::chain::{Call, Chain};
use super::code::creation_code;
use super::error::ContractsError;

/// The deterministic deployer of Arachnid, on nearly every public chain: it takes `salt ‖ creation
/// code`.
const CREATE2_DEPLOYER: Address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");

/// With its checksum (ERC-55).
pub fn shown(address: Address) -> proto::Address {
    address.into()
}

/// What a command has to do next.
pub enum Step {
    /// Nothing: the chain is as it should be.
    Done,
    /// A transaction.
    Send(Call),
}

/// The constructor's arguments.
pub struct Construction {
    /// The version, which decides the contract.
    pub version: EntryPointVersion,
    /// The EntryPoint.
    pub entry_point: Address,
    /// The owner.
    pub owner: Address,
    /// The guardian.
    pub guardian: Address,
    /// Seconds.
    pub activation_delay: u32,
    /// Seconds.
    pub max_window: u32,
    /// Active at once.
    pub signer: Option<Signer>,
    /// Of the deterministic deployer.
    pub salt: B256,
}

/// A paymaster key in a TEE, with its attested properties.
#[derive(Clone, Copy)]
pub struct Signer {
    /// The key's address.
    pub address: Address,
    /// Measurement of the trusted application.
    pub measurement: B256,
    /// Id of the TEE.
    pub tee_id: B256,
}

impl Construction {
    fn code(&self) -> Result<Bytes, ContractsError> {
        let signers = self.signer.iter().map(|signer| SuperPaymaster::InitialSigner {
            signer: signer.address,
            measurement: signer.measurement,
            teeId: signer.tee_id,
        });
        let arguments = (
            self.entry_point,
            self.owner,
            self.guardian,
            self.activation_delay,
            self.max_window,
            signers.collect::<Vec<_>>(),
        );
        let code = creation_code(self.version).ok_or(ContractsError::NoCode)?;
        Ok([&code[..], &arguments.abi_encode_params()].concat().into())
    }

    /// Where it is, or will be: the same for the same arguments and salt.
    pub fn address(&self) -> Result<Address, ContractsError> {
        Ok(CREATE2_DEPLOYER.create2_from_code(self.salt, self.code()?))
    }

    /// Deploys it, unless it is deployed.
    pub async fn step(&self, chain: &Chain) -> Result<Step, ContractsError> {
        let missing = |what, address| Err(ContractsError::NoContract { what, address });
        if chain.has_code(self.address()?).await? {
            return Ok(Step::Done);
        }
        if !chain.has_code(self.entry_point).await? {
            return missing("EntryPoint", self.entry_point);
        }
        if !chain.has_code(CREATE2_DEPLOYER).await? {
            return missing("deterministic deployer, which has to be deployed first,", CREATE2_DEPLOYER);
        }
        let data = [self.salt.as_slice(), &self.code()?].concat().into();
        Ok(Step::Send(Call { to: CREATE2_DEPLOYER, data, value: U256::ZERO }))
    }
}

/// A paymaster of ours.
pub struct Paymaster<'a> {
    chain: &'a Chain,
    address: Address,
    entry_point: Address,
}

/// Deposit and stake at the EntryPoint.
pub struct Funds {
    /// Wei.
    pub deposit: U256,
    /// Wei.
    pub stake: U256,
    /// Whether the stake is locked.
    pub is_staked: bool,
    /// Seconds.
    pub unstake_delay: u32,
    /// Unix seconds; 0 while it is locked.
    pub withdraw_time: u64,
}

impl<'a> Paymaster<'a> {
    /// The paymaster at that address.
    pub async fn at(chain: &'a Chain, address: Address) -> Result<Self, ContractsError> {
        if !chain.has_code(address).await? {
            return Err(ContractsError::NoContract { what: "paymaster", address });
        }
        let not_ours = || ContractsError::NotPaymaster(address);
        let entry_point = chain.view(address, &SuperPaymaster::entryPointCall {}).await?.ok_or_else(not_ours)?;
        Ok(Self { chain, address, entry_point })
    }

    async fn view<C: SolCall>(&self, call: &C) -> Result<C::Return, ContractsError> {
        self.chain.view(self.address, call).await?.ok_or(ContractsError::NotPaymaster(self.address))
    }

    /// Deposit and stake.
    pub async fn funds(&self) -> Result<Funds, ContractsError> {
        let call = StakeManager::getDepositInfoCall { account: self.address };
        let missing = || ContractsError::NoContract { what: "EntryPoint", address: self.entry_point };
        let info = self.chain.view(self.entry_point, &call).await?.ok_or_else(missing)?;
        Ok(Funds {
            deposit: info.deposit,
            stake: U256::from(info.stake),
            is_staked: info.staked,
            unstake_delay: info.unstakeDelaySec,
            withdraw_time: info.withdrawTime.to(),
        })
    }

    /// Whether it is paused.
    pub async fn is_paused(&self) -> Result<bool, ContractsError> {
        self.view(&SuperPaymaster::pausedCall {}).await
    }

    /// The contract's record of a signer; all zero for one that it does not know.
    pub async fn record(&self, signer: Address) -> Result<SuperPaymaster::SignerRecord, ContractsError> {
        self.view(&SuperPaymaster::signerOfCall { signer }).await
    }

    /// When a proposed signer can be activated, Unix seconds.
    async fn activatable_at(&self, record: &SuperPaymaster::SignerRecord) -> Result<u64, ContractsError> {
        let delay = self.view(&SuperPaymaster::activationDelayCall {}).await?;
        Ok(record.proposedAt.to::<u64>().saturating_add(delay.into()))
    }

    /// Proposes a signer, or activates it, or nothing if it is active.
    pub async fn admit(&self, signer: &Signer) -> Result<Step, ContractsError> {
        let record = self.record(signer.address).await?;
        let Signer { address, measurement, tee_id } = *signer;
        if record.proposedAt.is_zero() {
            let call = SuperPaymaster::proposeSignerCall { signer: address, measurement, teeId: tee_id };
            return Ok(Step::Send(self.call(&call)));
        }
        if (record.measurement, record.teeId) != (measurement, tee_id) {
            let (measurement, tee_id) = (record.measurement, record.teeId);
            return Err(ContractsError::OtherRecord { signer: address, measurement, tee_id });
        }
        if !record.activatedAt.is_zero() {
            return Ok(Step::Done);
        }
        let (at, now) = (self.activatable_at(&record).await?, self.chain.time().await?);
        if at > now {
            return Err(ContractsError::TooEarly { signer: address, at, seconds: at - now });
        }
        Ok(Step::Send(self.call(&SuperPaymaster::activateSignerCall { signer: address })))
    }

    /// A call of the contract.
    pub fn call(&self, call: &impl SolCall) -> Call {
        Call::of(self.address, call)
    }

    /// A call that sends wei.
    pub fn paying(&self, call: &impl SolCall, wei: U256) -> Call {
        Call::paying(self.address, call, wei)
    }

    /// Everything about it, and about a signer if one is named. Amounts are in wei, in decimal.
    pub async fn state(&self, signer: Option<Address>) -> Result<Value, ContractsError> {
        let funds = self.funds().await?;
        let mut state = json!({
            "address": shown(self.address),
            "entryPoint": shown(self.entry_point),
            "owner": shown(self.view(&SuperPaymaster::ownerCall {}).await?),
            "guardian": shown(self.view(&SuperPaymaster::guardianCall {}).await?),
            "paused": self.is_paused().await?,
            "activationDelay": self.view(&SuperPaymaster::activationDelayCall {}).await?,
            "maxWindow": self.view(&SuperPaymaster::maxWindowCall {}).await?,
            "deposit": funds.deposit.to_string(),
            "stake": funds.stake.to_string(),
            "staked": funds.is_staked,
            "unstakeDelay": funds.unstake_delay,
            "withdrawTime": funds.withdraw_time,
        });
        if let Some(signer) = signer {
            let record = self.record(signer).await?;
            let is_known = !record.proposedAt.is_zero();
            let at = if is_known { Some(self.activatable_at(&record).await?) } else { None };
            state["signer"] = json!({
                "address": shown(signer),
                "active": !record.activatedAt.is_zero(),
                "proposedAt": is_known.then(|| record.proposedAt.to::<u64>()),
                "activatableAt": at,
                "measurement": is_known.then_some(record.measurement),
                "teeId": is_known.then_some(record.teeId),
            });
        }
        Ok(state)
    }
}
