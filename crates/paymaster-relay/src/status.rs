//! Whether requests can be taken, and whether every sponsorship could succeed now; what is in the way is told in words for
//! operators: no client gets them.

use std::sync::atomic::Ordering;

use proto::{Address, Wei};
use thiserror::Error;

use crate::catalogue::Deployment;
use crate::error::RelayError;
use crate::kms::KmsSigners;
use crate::relay::Relay;
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

    /// Everything a sponsorship needs, each looked at now. Contracts that were found are looked for again after the chain
    /// could not answer.
    pub async fn status(&self) -> Vec<Check> {
        let (store, claims, chain, kms, signers) = tokio::join!(
            self.store.ready(),
            self.nonces.ready(),
            self.chain_status(),
            self.kms.ready(),
            self.kms.signers(),
        );
        let chain = chain.inspect_err(|_| self.contracts_found.store(false, Ordering::Relaxed));
        let signers = signers.map_err(RelayError::from);
        let address = self.relay_key.address().await;
        let (clocks, relay_key) = (self.clocks(), relay_key(signers.as_ref().ok(), address));
        let (mut signer, mut deposit) = (Ok(()), Ok(()));
        let mut window = self.tee_window(signers.as_ref().ok());
        for deployment in self.catalogue.deployments() {
            if chain.is_err() {
                (signer, deposit) =
                    (Err(Missing::Unknown { of: "the chain" }), Err(Missing::Unknown { of: "the chain" }));
                window = window.and(Err(Missing::Unknown { of: "the chain" }));
                break;
            }
            // The first that is wrong is told of.
            signer = match signer {
                Ok(()) => self.signer_admitted(deployment, signers.as_ref().ok()).await,
                wrong => wrong,
            };
            window = match window {
                Ok(()) => self.contract_window(deployment).await,
                wrong => wrong,
            };
            deposit = match deposit {
                Ok(()) => self.deposit_there(deployment).await,
                wrong => wrong,
            };
        }
        let in_full = |error: RelayError| error.in_full();
        vec![
            Check::of("store", store.map_err(|error| in_full(error.into()))),
            Check::of("claims", claims.map_err(|error| in_full(error.into()))),
            Check::of("chain", in_words(chain)),
            Check::of("clocks", in_words(clocks)),
            Check::of("kms", kms.map_err(|error| in_full(error.into()))),
            Check::of("tee", signers.map(drop).map_err(in_full)),
            Check::of("relay_key", in_words(relay_key)),
            Check::of("signer", in_words(signer)),
            Check::of("window", in_words(window)),
            Check::of("deposit", in_words(deposit)),
        ]
    }

    async fn chain_status(&self) -> Result<(), Missing> {
        let configured = self.catalogue.chain_id;
        let served = self.chain.chain_id().await.map_err(RelayError::from)?;
        if served != configured {
            return Err(Missing::OtherChain { served, configured });
        }
        self.note(self.chain.latest_block().await.map_err(RelayError::from)?);
        if self.contracts_found.load(Ordering::Relaxed) {
            return Ok(());
        }
        for deployment in self.catalogue.deployments() {
            for (role, address) in
                [("entry_point", deployment.entry_point.address), ("paymaster", deployment.paymaster)]
            {
                if !self.chain.has_code(address).await.map_err(RelayError::from)? {
                    return Err(Missing::NoContract { chain_id: configured, address, role });
                }
            }
            self.chain.paymaster(deployment).await.map_err(RelayError::from)?;
        }
        self.contracts_found.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn clocks(&self) -> Result<(), Missing> {
        self.check_clocks()?;
        match self.kms.clock_ahead() {
            Some(ahead) if ahead.unsigned_abs() > CLOCKS_APART => Err(Missing::KmsClock {
                seconds: ahead.unsigned_abs(),
                direction: if ahead > 0 { "ahead of" } else { "behind" },
            }),
            _ => Ok(()),
        }
    }

    async fn signer_admitted(&self, deployment: &Deployment, signers: Option<&KmsSigners>) -> Result<(), Missing> {
        let signer = signers.ok_or(Missing::Unknown { of: "the TEE" })?.paymaster_signer;
        let paymaster = deployment.paymaster;
        match self.chain.admits(deployment, signer).await.map_err(RelayError::from)? {
            true => Ok(()),
            false => Err(Missing::SignerNotAdmitted { paymaster, signer }),
        }
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

    async fn deposit_there(&self, deployment: &Deployment) -> Result<(), Missing> {
        let paymaster = deployment.paymaster;
        let state = self.chain.paymaster(deployment).await.map_err(RelayError::from)?;
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
