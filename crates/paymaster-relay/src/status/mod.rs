//! Whether requests can be taken, and whether every sponsorship could succeed now; what is in the
//! way is told in words for operators: no client gets them.

mod missing;
mod tee;

use std::sync::Arc;

use proto::command::Ceilings;
use proto::{Address, EntryPoint};

use self::missing::Missing;
use crate::catalogue::Catalogue;
use crate::chain::{ChainError, ChainTime, EntryPointReader, Facts, PaymasterState, operation_of_nobody};
use crate::claims::ClaimStore;
use crate::deployment::Deployment;
use crate::error::RelayError;
use crate::gwei::Gwei;
use crate::kms::{Kms, KmsSigners};
use crate::parts::Parts;
use crate::relay_key::RelayKey;
use crate::settle::Settler;
use crate::sponsor::Window;
use crate::store::{Store, StoreError};

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

/// Tells whether requests can be taken, and sponsored.
pub struct Readiness {
    settler: Arc<Settler>,
    catalogue: Arc<Catalogue>,
    store: Arc<dyn Store>,
    claims: Arc<dyn ClaimStore>,
    kms: Arc<dyn Kms>,
    chain: Arc<dyn EntryPointReader>,
    chain_time: Arc<ChainTime>,
    relay_key: Arc<RelayKey>,
}

impl Readiness {
    /// Asks nobody anything yet.
    #[must_use]
    pub fn new(settler: Arc<Settler>, parts: &Parts) -> Self {
        let Parts { catalogue, store, claims, kms, chain, chain_time, relay_key, .. } = parts.clone();
        Self { settler, catalogue, store, claims, kms, chain, chain_time, relay_key }
    }

    /// Whether this process can take requests: its database accepts writes. Nothing is said of what
    /// it shares with others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }

    /// Everything a sponsorship needs, each looked at now. The chain is asked as a sponsorship asks
    /// it.
    pub async fn status(&self) -> Vec<Check> {
        let in_full = |error: RelayError| error.in_full();
        let kms_and_chain = async {
            let signers = self.kms.signers().await.map_err(RelayError::from);
            let chain = self.chain_status(signers.as_ref().ok().map(|signers| signers.paymaster_signer)).await;
            (signers, chain)
        };
        let (store, claims, kms, one_tee, (signers, chain)) = tokio::join!(
            self.store.ready(),
            self.claims.ready(),
            self.kms.ready(),
            self.kms.is_one_tee(),
            kms_and_chain
        );
        let kms = kms.map_err(|error| in_full(error.into()));
        let address = self.relay_key.address().await;
        let clocks = self.clocks(chain.is_ok());
        let known = || signers.as_ref().map_err(|_| Missing::TeeUnknown);
        let relay_key =
            known().and_then(|known| tee::relay_key(known, self.kms.url(), address, self.catalogue.policies()));
        let ceilings = in_words(known().map(drop)).and_then(|()| tee::ceilings(told(&signers), &self.catalogue));
        let mut window = tee::window(told(&signers), &self.catalogue);
        let relying_party = signers.as_ref().map_or(Ok(()), |known| tee::relying_party(known, &self.catalogue));
        let (mut signer, mut deposit) = (Ok(()), Ok(()));
        if chain.is_err() {
            let unknown = || Err(Missing::ChainUnknown);
            (signer, deposit, window) = (unknown(), unknown(), window.and(unknown()));
        }
        for (deployment, facts) in self.catalogue.deployments().iter().zip(chain.iter().flatten()) {
            // The first that is wrong is told of.
            signer = match signer.and_then(|()| known()) {
                Ok(known) => self.signer_admitted(deployment, facts, known.paymaster_signer).await,
                Err(wrong) => Err(wrong),
            };
            window = match window {
                Ok(()) => self.contract_window(deployment).await,
                wrong => wrong,
            };
            deposit = match deposit {
                Ok(()) => self.deposit_there(deployment, facts.paymaster).await,
                wrong => wrong,
            };
        }
        vec![
            Check::of("store", store.map_err(|error| in_full(error.into()))),
            Check::of("claims", claims.map_err(|error| in_full(error.into()))),
            Check::of("chain", in_words(chain.map(drop))),
            Check::of("clocks", in_words(clocks)),
            Check::of("kms", kms.and(one_tee.map_err(|several| several.to_string())).and(in_words(relying_party))),
            Check::of("tee", signers.map(drop).map_err(in_full)),
            Check::of("relay_key", in_words(relay_key)),
            Check::of("signer", in_words(signer)),
            Check::of("ceilings", ceilings),
            Check::of("window", in_words(window)),
            Check::of("deposit", in_words(deposit)),
            Check::of("settlement", self.settler.problem().map_or(Ok(()), Err)),
        ]
    }

    /// What each deployment's sponsorships would be checked against now.
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
                    self.chain_time.note(facts.block);
                    self.version_right(deployment).await?;
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

    async fn version_right(&self, deployment: &Deployment) -> Result<(), Missing> {
        let EntryPoint { address, version, .. } = deployment.entry_point;
        match self.chain.is_of_version(deployment).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(ChainError::Contract { .. }) => Err(Missing::OtherVersion { address, version }),
            Err(error) => Err(RelayError::from(error).into()),
        }
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
        let now = self.chain_time.last().filter(|_| is_chain_known).ok_or(Missing::ChainUnknown)?;
        self.chain_time.check().map_err(RelayError::from)?;
        Window::of(&self.catalogue.validity, &now)?;
        Ok(())
    }

    async fn signer_admitted(&self, deployment: &Deployment, facts: &Facts, signer: Address) -> Result<(), Missing> {
        if facts.signer_admitted != Some(false) {
            return Ok(());
        }
        let paymaster = deployment.paymaster;
        match self.chain.activatable_at(deployment, signer).await.map_err(RelayError::from)? {
            Some(activatable_at) => {
                let wait = activatable_at.saturating_sub(facts.block.timestamp);
                Err(Missing::SignerProposed { paymaster, signer, activatable_at, wait })
            }
            None => Err(Missing::SignerNotAdmitted { paymaster, signer }),
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
        if deposit <= reserved || Gwei::at_least(largest).is_none_or(|cost| cost.count() > deposit - reserved) {
            return Err(Missing::DepositLow { paymaster, deposit, reserved, largest });
        }
        let percent = self.catalogue.caps.percent_unproven();
        let share = Gwei::at_most(state.deposit).percent(percent);
        match self.catalogue.largest_unproven {
            Some(largest) if Gwei::at_least(largest).is_none_or(|cost| cost > share) => {
                Err(Missing::UnprovenShareLow { paymaster, deposit, percent, largest })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The ceilings, where the KMS tells them.
fn told(signers: &Result<KmsSigners, RelayError>) -> Option<&Ceilings> {
    signers.as_ref().ok()?.ceilings.as_ref()
}

fn in_words(outcome: Result<(), Missing>) -> Result<(), String> {
    outcome.map_err(|missing| missing.to_string())
}
