//! Whether requests can be taken, and whether every sponsorship could succeed now; what is in the way is told in words for
//! operators: no client gets them.

use proto::{Address, Wei};
use thiserror::Error;

use crate::catalogue::Deployment;
use crate::chain::{Facts, PaymasterState, operation_of_nobody};
use crate::error::RelayError;
use crate::kms::KmsSigners;
use crate::relay::Relay;
use crate::sponsor::Window;
use crate::store::{Gwei, StoreError};

/// Seconds that clocks may differ without being named. The KMS refuses at 300.
const CLOCKS_APART: u64 = 60;

/// One thing that a sponsorship needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A stable word, snake case.
    pub name: &'static str,
    /// What is wrong with it, in words for operators; `None` when nothing is.
    pub problem: Option<String>,
}

impl Check {
    /// From an outcome.
    #[must_use]
    pub fn of(name: &'static str, outcome: Result<(), String>) -> Self {
        Self { name, problem: outcome.err() }
    }
}

/// What is in the way of a sponsorship.
#[derive(Debug, Error)]
enum Missing {
    #[error("{}", _0.in_full())]
    Part(#[from] RelayError),
    #[error("the node at relay.chain.rpc_url serves chain {served}, and relay.chain.chain_id is {configured}")]
    OtherChain { served: u64, configured: u64 },
    #[error("chain {chain_id} has no contract at {address}, which relay.deployments names as {role}")]
    NoContract { chain_id: u64, address: Address, role: &'static str },
    #[error("the KMS's clock is {seconds} s {direction} this host's")]
    KmsClock { seconds: u64, direction: &'static str },
    #[error("the TEE does not authorise the relay key {address} to sponsor: super-relay admin authorize {address}")]
    RelayKey { address: Address },
    #[error("the paymaster {paymaster} does not admit the TEE's signer {signer}: propose and activate it")]
    SignerNotAdmitted { paymaster: Address, signer: Address },
    #[error(
        "the paymaster {paymaster} takes windows of maxWindow = {found} s, and relay.max_window_seconds is {wanted}: lower it to \
         {found}, or deploy the contract with {wanted}"
    )]
    ContractWindow { paymaster: Address, found: u32, wanted: u64 },
    #[error(
        "the TEE signs windows of {found} s (its ceiling maxWindow), and relay.max_window_seconds is {wanted}: lower it to \
         {found}, or raise the ceiling (super-relay admin set-ceilings)"
    )]
    TeeWindow { found: u32, wanted: u64 },
    #[error("the paymaster {paymaster} is paused")]
    Paused { paymaster: Address },
    #[error("the paymaster {paymaster} has a deposit of {deposit} gwei, of which {reserved} gwei are reserved")]
    NoDeposit { paymaster: Address, deposit: i64, reserved: i64 },
    #[error(
        "the paymaster {paymaster} has a deposit of {deposit} gwei, of which {reserved} gwei are reserved: the rest does \
         not cover the largest max_cost_per_operation of the policies, {largest}"
    )]
    DepositLow { paymaster: Address, deposit: i64, reserved: i64, largest: Wei },
    #[error("unknown: {of} does not answer")]
    Unknown { of: &'static str },
}

impl Relay {
    /// Whether this process can take requests: its database takes a write. Nothing is said of what it shares with others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }

    /// Everything a sponsorship needs, each looked at now. The chain is asked as a sponsorship asks it.
    pub async fn status(&self) -> Vec<Check> {
        let kms_and_chain = async {
            let signers = self.kms.signers().await.map_err(RelayError::from);
            let chain = self.chain_status(signers.as_ref().ok().map(|signers| signers.paymaster_signer)).await;
            (signers, chain)
        };
        let (store, claims, kms, (signers, chain)) =
            tokio::join!(self.store.ready(), self.nonces.ready(), self.kms.ready(), kms_and_chain);
        let address = self.relay_key.address().await;
        let (clocks, relay_key) = (self.clocks(chain.is_ok()), relay_key(signers.as_ref().ok(), address));
        let (mut signer, mut deposit) = (Ok(()), Ok(()));
        let mut window = self.tee_window(signers.as_ref().ok());
        if chain.is_err() {
            let unknown = || Err(Missing::Unknown { of: "the chain" });
            (signer, deposit, window) = (unknown(), unknown(), window.and(unknown()));
        }
        for (deployment, facts) in self.catalogue.deployments().iter().zip(chain.iter().flatten()) {
            // The first that is wrong is told of.
            signer = signer.and_then(|()| signer_admitted(deployment, facts, signers.as_ref().ok()));
            window = match window {
                Ok(()) => self.contract_window(deployment).await,
                wrong => wrong,
            };
            deposit = match deposit {
                Ok(()) => self.deposit_there(deployment, facts.paymaster).await,
                wrong => wrong,
            };
        }
        let in_full = |error: RelayError| error.in_full();
        vec![
            Check::of("store", store.map_err(|error| in_full(error.into()))),
            Check::of("claims", claims.map_err(|error| in_full(error.into()))),
            Check::of("chain", in_words(chain.map(drop))),
            Check::of("clocks", in_words(clocks)),
            Check::of("kms", kms.map_err(|error| in_full(error.into()))),
            Check::of("tee", signers.map(drop).map_err(in_full)),
            Check::of("relay_key", in_words(relay_key)),
            Check::of("signer", in_words(signer)),
            Check::of("window", in_words(window)),
            Check::of("deposit", in_words(deposit)),
            Check::of("settlement", self.settling.problem().map_or(Ok(()), Err)),
        ]
    }

    /// What each deployment's sponsorships would be held against now.
    async fn chain_status(&self, signer: Option<Address>) -> Result<Vec<Facts>, Missing> {
        let configured = self.catalogue.chain_id;
        let served = self.chain.chain_id().await.map_err(RelayError::from)?;
        if served != configured {
            return Err(Missing::OtherChain { served, configured });
        }
        let mut all = Vec::new();
        for deployment in self.catalogue.deployments() {
            match self.chain.facts(deployment, &operation_of_nobody(), signer, None).await {
                Ok(facts) => {
                    self.note(facts.block);
                    all.push(facts);
                }
                Err(error) => {
                    self.contracts_there(deployment).await?;
                    return Err(RelayError::from(error).into());
                }
            }
        }
        Ok(all)
    }

    async fn contracts_there(&self, deployment: &Deployment) -> Result<(), Missing> {
        let chain_id = self.catalogue.chain_id;
        let contracts = [("entry_point", deployment.entry_point.address), ("paymaster", deployment.paymaster)];
        for (role, address) in contracts {
            if !self.chain.has_code(address).await.map_err(RelayError::from)? {
                return Err(Missing::NoContract { chain_id, address, role });
            }
        }
        Ok(())
    }

    /// Whether the clocks agree, and there is a window for a sponsorship now.
    fn clocks(&self, is_chain_known: bool) -> Result<(), Missing> {
        match self.kms.clock_ahead() {
            Some(ahead) if ahead.unsigned_abs() > CLOCKS_APART => {
                return Err(Missing::KmsClock {
                    seconds: ahead.unsigned_abs(),
                    direction: if ahead > 0 { "ahead of" } else { "behind" },
                });
            }
            Some(_) | None => {}
        }
        let now = self.chain_time.last().filter(|_| is_chain_known).ok_or(Missing::Unknown { of: "the chain" })?;
        self.check_clocks()?;
        Window::of(&self.catalogue.validity, &now)?;
        Ok(())
    }

    /// Whether the TEE signs every window that this relay may ask for.
    fn tee_window(&self, signers: Option<&KmsSigners>) -> Result<(), Missing> {
        let wanted = self.catalogue.validity.ceiling;
        match signers.and_then(|signers| signers.ceilings.as_ref()) {
            Some(ceilings) if u64::from(ceilings.max_window) < wanted => {
                Err(Missing::TeeWindow { found: ceilings.max_window, wanted })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the contract takes every window that this relay may ask for.
    async fn contract_window(&self, deployment: &Deployment) -> Result<(), Missing> {
        let (paymaster, wanted) = (deployment.paymaster, self.catalogue.validity.ceiling);
        match self.chain.max_window(deployment).await.map_err(RelayError::from)? {
            found if u64::from(found) < wanted => Err(Missing::ContractWindow { paymaster, found, wanted }),
            _ => Ok(()),
        }
    }

    async fn deposit_there(&self, deployment: &Deployment, state: PaymasterState) -> Result<(), Missing> {
        let paymaster = deployment.paymaster;
        if state.paused {
            return Err(Missing::Paused { paymaster });
        }
        let reserved = self.store.reserved(deployment).await.map_err(RelayError::from)?.count();
        let (deposit, largest) = (Gwei::at_most(state.deposit).count(), self.catalogue.largest_cost);
        if deposit <= reserved {
            return Err(Missing::NoDeposit { paymaster, deposit, reserved });
        }
        match Gwei::at_least(largest) {
            Some(cost) if cost.count() <= deposit - reserved => Ok(()),
            _ => Err(Missing::DepositLow { paymaster, deposit, reserved, largest }),
        }
    }
}

fn signer_admitted(deployment: &Deployment, facts: &Facts, signers: Option<&KmsSigners>) -> Result<(), Missing> {
    let signer = signers.ok_or(Missing::Unknown { of: "the TEE" })?.paymaster_signer;
    match facts.signer_admitted {
        Some(false) => Err(Missing::SignerNotAdmitted { paymaster: deployment.paymaster, signer }),
        Some(true) | None => Ok(()),
    }
}

fn relay_key(signers: Option<&KmsSigners>, address: Address) -> Result<(), Missing> {
    match signers {
        None => Err(Missing::Unknown { of: "the TEE" }),
        Some(signers) if signers.may_sponsor(address) => Ok(()),
        Some(_) => Err(Missing::RelayKey { address }),
    }
}

fn in_words(outcome: Result<(), Missing>) -> Result<(), String> {
    outcome.map_err(|missing| missing.to_string())
}
