//! `super-relay contracts`: deploys the paymaster contract, and does what its owner has to do.

mod abi;
mod amount;
mod chain;
mod code;
mod error;
mod paymaster;

use clap::{Args, Subcommand};
use proto::{Address, EntryPointVersion, Hash, TeeId};
use serde_json::{Value, json};
use url::Url;

use crate::address::parse_address;
use crate::local_key::{KeyArgs, LocalKey};
use crate::printable::printable_json;
use abi::SuperPaymaster;
use amount::Amount;
use chain::{Chain, Fees};
use paymaster::{Construction, Paymaster, Signer, Step};

pub use error::ContractsError;

/// The chain, who signs, and what to do.
#[derive(Args)]
pub struct ContractsArgs {
    /// The chain's node.
    #[arg(long, value_name = "URL", env = "ETH_RPC_URL", hide_env_values = true)]
    rpc_url: Url,
    /// The chain. Nothing is sent to another one.
    #[arg(long, value_name = "ID")]
    chain_id: u64,
    #[command(flatten)]
    key: KeyArgs,
    /// The sender's address, for a dry run without its key: any wallet can send what is shown.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "key_file")]
    from: Option<Address>,
    /// Show the transaction and what it may cost. Nothing is signed or sent.
    #[arg(long, global = true, conflicts_with = "yes")]
    dry_run: bool,
    /// Send it. Without it, it is shown only.
    #[arg(long, global = true)]
    yes: bool,
    /// `maxFeePerGas`, as in `30gwei`. Default: twice the base fee and the node's priority fee.
    #[arg(long, value_name = "AMOUNT")]
    max_fee: Option<Amount>,
    /// `maxPriorityFeePerGas`, as in `1gwei`. Default: what recent blocks paid.
    #[arg(long, value_name = "AMOUNT")]
    priority_fee: Option<Amount>,
    /// The most that the gas of a transaction may cost, whatever the node says about gas and fees.
    #[arg(long, value_name = "AMOUNT", default_value = "1ether")]
    max_gas_cost: Amount,
    /// Take the place of the sender's first transaction that is not mined yet: only one of the two
    /// will be. Nodes want fees that are higher by a tenth or more.
    #[arg(long, global = true)]
    replace: bool,
    /// Seconds to wait until it is mined.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    wait_seconds: u64,
    #[command(subcommand)]
    command: ContractsCommand,
}

#[derive(Subcommand)]
enum ContractsCommand {
    /// Deploy the paymaster for one EntryPoint. Its address depends on these options only, so a
    /// repeated command deploys nothing.
    Deploy(DeployArgs),
    /// Propose a TEE's paymaster key, or activate it when the activation delay is over.
    ///
    /// Take the three values from a quote that was verified (scripts/optee/verify-quote): an active
    /// signer can spend the deposit.
    Admit {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Add to the deposit, from which operations are paid. Anybody may.
    Deposit {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        /// As in `0.5ether`.
        amount: Amount,
        /// Add only what is missing up to that amount.
        #[arg(long)]
        up_to: bool,
    },
    /// Add to the stake, which bundlers require, and set the delay after which it can be withdrawn.
    Stake {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        /// As in `0.1ether`.
        amount: Amount,
        /// Seconds; it cannot be shortened later.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        unstake_delay: u32,
        /// Add only what is missing up to that amount.
        #[arg(long)]
        up_to: bool,
    },
    /// Withdraw from the deposit.
    Withdraw {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        /// Who gets it.
        #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
        to: Address,
        /// As in `0.5ether`.
        amount: Amount,
    },
    /// Begin the delay of the stake. Bundlers refuse a paymaster without stake.
    UnlockStake {
        #[command(flatten)]
        paymaster: PaymasterArgs,
    },
    /// Withdraw the whole stake, once its delay is over.
    WithdrawStake {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        /// Who gets it.
        #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
        to: Address,
    },
    /// Remove a signer at once, or cancel its proposal. Owner or guardian.
    RemoveSigner {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        /// The signer.
        #[arg(value_name = "SIGNER", value_parser = parse_address)]
        signer: Address,
    },
    /// Stop all sponsoring at once. Owner or guardian.
    Pause {
        #[command(flatten)]
        paymaster: PaymasterArgs,
    },
    /// Resume sponsoring.
    Unpause {
        #[command(flatten)]
        paymaster: PaymasterArgs,
    },
    /// Print owner, guardian, deposit, stake and the record of a signer. Sends nothing.
    Status {
        #[command(flatten)]
        paymaster: PaymasterArgs,
        /// The signer to look up.
        #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
        signer: Option<Address>,
    },
}

#[derive(Args)]
struct PaymasterArgs {
    /// The paymaster contract.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    paymaster: Address,
}

#[derive(Args)]
struct SignerArgs {
    /// The address of the TEE's paymaster key.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    signer: Address,
    /// The measurement of its trusted application.
    #[arg(long, value_name = "HASH")]
    measurement: Hash,
    /// The id of the TEE.
    #[arg(long, value_name = "ID")]
    tee_id: TeeId,
}

#[derive(Args)]
struct DeployArgs {
    /// The EntryPoint's version: 0.6, 0.7, 0.8 or 0.9.
    #[arg(long, value_name = "VERSION")]
    entry_point_version: EntryPointVersion,
    /// Its address. Default: the one of that version on public chains.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    entry_point: Option<Address>,
    /// Who admits signers, stakes and withdraws.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    owner: Address,
    /// Who may pause it and remove signers.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    guardian: Address,
    /// Seconds between the proposal of a signer and its activation; a day or more in production.
    #[arg(long, value_name = "SECONDS")]
    activation_delay: u32,
    /// Seconds: the ceiling `maxWindow` of the TEE.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    max_window: u32,
    /// A TEE's paymaster key that is active at once, with the next two.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, requires_all = ["measurement", "tee_id"])]
    signer: Option<Address>,
    /// The measurement of its trusted application.
    #[arg(long, value_name = "HASH", requires = "signer")]
    measurement: Option<Hash>,
    /// The id of its TEE.
    #[arg(long, value_name = "ID", requires = "signer")]
    tee_id: Option<TeeId>,
    /// Another salt gives another contract with the same options.
    #[arg(
        long,
        value_name = "HASH",
        default_value = "0x0000000000000000000000000000000000000000000000000000000000000000"
    )]
    salt: Hash,
}

/// What to print, and whether it was done.
pub struct Outcome {
    /// JSON.
    pub text: String,
    /// Whether everything was done, or would be.
    pub verdict: Result<(), ContractsError>,
}

impl From<&DeployArgs> for Construction {
    fn from(args: &DeployArgs) -> Self {
        let signer = args.signer.zip(args.measurement).zip(args.tee_id);
        Self {
            version: args.entry_point_version,
            entry_point: args.entry_point.unwrap_or(args.entry_point_version.canonical_address()).into(),
            owner: args.owner.into(),
            guardian: args.guardian.into(),
            activation_delay: args.activation_delay,
            max_window: args.max_window,
            signer: signer.map(|((address, measurement), tee_id)| Signer {
                address: address.into(),
                measurement: measurement.into(),
                tee_id: tee_id.into(),
            }),
            salt: args.salt.into(),
        }
    }
}

impl From<&SignerArgs> for Signer {
    fn from(args: &SignerArgs) -> Self {
        Self { address: args.signer.into(), measurement: args.measurement.into(), tee_id: args.tee_id.into() }
    }
}

/// Does what the command says; returns what to print.
pub async fn run(args: ContractsArgs) -> Result<Outcome, ContractsError> {
    let key = args.key.read()?;
    let chain = Chain::at(args.rpc_url.clone(), args.chain_id).await?;
    let mut sent = Vec::new();
    match args.carry_out(&chain, key.as_ref(), &mut sent).await {
        Err(problem) if !sent.is_empty() => {
            let shown = json!({ "transactions": sent, "paymaster": null });
            let verdict = Err(ContractsError::Unfinished(Box::new(problem)));
            Ok(Outcome { text: printable_json(&shown), verdict })
        }
        outcome => outcome,
    }
}

impl ContractsArgs {
    /// Adds to `sent` what is mined.
    async fn carry_out(
        &self,
        chain: &Chain,
        key: Option<&LocalKey>,
        sent: &mut Vec<Value>,
    ) -> Result<Outcome, ContractsError> {
        let from = key.map(LocalKey::address).or(self.from);
        let fees = Fees { max: wei(self.max_fee), priority: wei(self.priority_fee), most: self.max_gas_cost.0 };
        loop {
            let turn = match from {
                Some(from) => Some(chain.turn(from.into()).await?),
                None => None,
            };
            let Step::Send(call) = self.command.step(chain).await? else { break };
            let turn = turn.ok_or(ContractsError::KeyMissing)?;
            let plan = chain.plan(turn, call, fees, self.replace).await?;
            if self.dry_run || !self.yes {
                let verdict = if self.dry_run { Ok(()) } else { Err(ContractsError::NotConfirmed) };
                let paymaster = paymaster::shown(self.command.paymaster()?);
                let shown = json!({ "dryRun": true, "transaction": plan.shown(), "paymaster": paymaster });
                return Ok(Outcome { text: printable_json(&shown), verdict });
            }
            let key = key.ok_or(ContractsError::KeyMissing)?;
            sent.push(chain.send(&plan, key, self.wait_seconds).await?);
            if !self.command.goes_on(chain).await? {
                break;
            }
        }
        let state = self.command.state(chain).await?;
        let shown = json!({ "transactions": sent, "paymaster": state });
        Ok(Outcome { text: printable_json(&shown), verdict: Ok(()) })
    }
}

fn wei(amount: Option<Amount>) -> Option<u128> {
    amount.map(|Amount(wei)| wei.saturating_to())
}

impl ContractsCommand {
    /// The paymaster that it is about.
    fn paymaster(&self) -> Result<alloy_primitives::Address, ContractsError> {
        match self {
            Self::Deploy(args) => Construction::from(args).address(),
            Self::Admit { paymaster, .. }
            | Self::Deposit { paymaster, .. }
            | Self::Stake { paymaster, .. }
            | Self::Withdraw { paymaster, .. }
            | Self::UnlockStake { paymaster }
            | Self::WithdrawStake { paymaster, .. }
            | Self::RemoveSigner { paymaster, .. }
            | Self::Pause { paymaster }
            | Self::Unpause { paymaster }
            | Self::Status { paymaster, .. } => Ok(paymaster.paymaster.into()),
        }
    }

    /// What has to be sent next, as far as the chain does not have it yet.
    async fn step(&self, chain: &Chain) -> Result<Step, ContractsError> {
        if let Self::Deploy(args) = self {
            return Construction::from(args).step(chain).await;
        }
        let contract = Paymaster::at(chain, self.paymaster()?).await?;
        let missing = |wanted: alloy_primitives::U256, present, up_to: bool| {
            if up_to { wanted.saturating_sub(present) } else { wanted }
        };
        let call = match self {
            Self::Deploy(_) | Self::Status { .. } => return Ok(Step::Done),
            Self::Admit { signer, .. } => return contract.admit(&signer.into()).await,
            Self::Deposit { amount: Amount(wei), up_to, .. } => {
                let wei = missing(*wei, contract.funds().await?.deposit, *up_to);
                if wei.is_zero() {
                    return Ok(Step::Done);
                }
                contract.paying(&SuperPaymaster::depositCall {}, wei)
            }
            Self::Stake { amount: Amount(wei), unstake_delay, up_to, .. } => {
                let funds = contract.funds().await?;
                let wei = missing(*wei, funds.stake, *up_to);
                if wei.is_zero() && funds.is_staked && funds.unstake_delay >= *unstake_delay {
                    return Ok(Step::Done);
                }
                contract.paying(&SuperPaymaster::addStakeCall { unstakeDelaySec: *unstake_delay }, wei)
            }
            Self::Withdraw { to, amount: Amount(wei), .. } => {
                contract.call(&SuperPaymaster::withdrawToCall { recipient: (*to).into(), amount: *wei })
            }
            Self::UnlockStake { .. } if !contract.funds().await?.is_staked => return Ok(Step::Done),
            Self::UnlockStake { .. } => contract.call(&SuperPaymaster::unlockStakeCall {}),
            Self::WithdrawStake { .. } if contract.funds().await?.stake.is_zero() => return Ok(Step::Done),
            Self::WithdrawStake { to, .. } => {
                contract.call(&SuperPaymaster::withdrawStakeCall { recipient: (*to).into() })
            }
            Self::RemoveSigner { signer, .. } => {
                let signer = (*signer).into();
                if contract.record(signer).await?.proposedAt.is_zero() {
                    return Ok(Step::Done);
                }
                contract.call(&SuperPaymaster::removeSignerCall { signer })
            }
            Self::Pause { .. } if contract.is_paused().await? => return Ok(Step::Done),
            Self::Pause { .. } => contract.call(&SuperPaymaster::pauseCall {}),
            Self::Unpause { .. } if !contract.is_paused().await? => return Ok(Step::Done),
            Self::Unpause { .. } => contract.call(&SuperPaymaster::unpauseCall {}),
        };
        Ok(Step::Send(call))
    }

    /// Whether another transaction follows at once: a contract without delay activates what was
    /// proposed.
    async fn goes_on(&self, chain: &Chain) -> Result<bool, ContractsError> {
        match (self, self.step(chain).await) {
            (Self::Admit { .. }, Ok(Step::Send(_))) => Ok(true),
            (Self::Admit { .. }, Err(ContractsError::TooEarly { .. })) => Ok(false),
            (Self::Admit { .. }, Err(problem)) => Err(problem),
            _ => Ok(false),
        }
    }

    async fn state(&self, chain: &Chain) -> Result<Value, ContractsError> {
        let signer = match self {
            Self::Deploy(DeployArgs { signer, .. }) | Self::Status { signer, .. } => *signer,
            Self::Admit { signer, .. } => Some(signer.signer),
            Self::RemoveSigner { signer, .. } => Some(*signer),
            _ => None,
        };
        Paymaster::at(chain, self.paymaster()?).await?.state(signer.map(Into::into)).await
    }
}
