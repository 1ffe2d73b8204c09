//! The requirements of a sponsorship on one chain.

use std::sync::Arc;

use proto::{Address, EntryPoint};

use super::check::Check;
use super::missing::{Missing, in_words};
use super::tee::{self, told};
use crate::catalogue::Catalogue;
use crate::chain::{ChainError, Facts, PaymasterState, operation_of_nobody};
use crate::chains::Chain;
use crate::deployment::Deployment;
use crate::deposit_guard::hours_left;
use crate::error::RelayError;
use crate::gwei::Gwei;
use crate::kms::{Kms, KmsSigners};
use crate::settle::Settler;
use crate::sponsor::Window;
use crate::store::Store;

/// Seconds by which clocks may differ without being reported. The KMS refuses at 300.
const CLOCKS_APART: u64 = 60;

/// A check of one chain.
pub(super) struct Look<'a> {
    pub(super) settler: &'a Settler,
    pub(super) catalogue: &'a Catalogue,
    pub(super) store: &'a Arc<dyn Store>,
    pub(super) kms: &'a Arc<dyn Kms>,
    pub(super) signers: &'a Result<KmsSigners, RelayError>,
}

impl Look<'_> {
    /// Queries the chain like a sponsorship does.
    pub(super) async fn checks(&self) -> Vec<Check> {
        let signer = self.signers.as_ref().ok().map(|signers| signers.paymaster_signer);
        let facts = self.facts(signer).await;
        let clocks = self.clocks(facts.is_ok());
        let known = || self.signers.as_ref().map_err(|_| Missing::TeeUnknown);
        let mut window = tee::window(told(self.signers), self.catalogue.max_window);
        let (mut signer, mut deposit) = (Ok(()), Ok(()));
        if facts.is_err() {
            let unknown = || Err(Missing::ChainUnknown);
            (signer, deposit, window) = (unknown(), unknown(), window.and(unknown()));
        }
        for (deployment, facts) in self.chain().catalogue.deployments().iter().zip(facts.iter().flatten()) {
            // The first problem is reported.
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
        let settlement = self.settler.problem().map_or(Ok(()), Err);
        let bundler = match &self.chain().bundlers {
            Some(bundlers) => Some(("bundler", bundlers.problem().await.map_or(Ok(()), Err))),
            None => None,
        };
        let outcomes = [
            ("chain", in_words(facts.map(drop))),
            ("clocks", in_words(clocks)),
            ("signer", in_words(signer)),
            ("window", in_words(window)),
            ("deposit", in_words(deposit)),
            ("settlement", settlement),
            ("reconciliation", self.settler.difference().map_or(Ok(()), Err)),
        ];
        let check = |(name, outcome)| Check { chain_id: self.chain().listed_id(), ..Check::of(name, outcome) };
        outcomes.into_iter().chain(bundler).map(check).collect()
    }

    fn chain(&self) -> &Chain {
        self.settler.chain()
    }

    /// The facts that each deployment's sponsorships would be checked against now.
    async fn facts(&self, signer: Option<Address>) -> Result<Vec<Facts>, Missing> {
        let Chain { catalogue, reader, time, .. } = self.chain();
        let served = reader.chain_id().await.map_err(RelayError::from)?;
        if served != catalogue.id {
            let keys = if catalogue.is_listed { "relay.chains" } else { "relay.chain" };
            return Err(Missing::OtherChain { keys, served, configured: catalogue.id });
        }
        let mut all = Vec::new();
        for deployment in catalogue.deployments() {
            match reader.facts(deployment, &operation_of_nobody(), signer, None).await {
                Ok(facts) => {
                    time.note(facts.block);
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
        match self.chain().reader.is_of_version(deployment).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(ChainError::Contract { .. }) => Err(Missing::OtherVersion { address, version }),
            Err(error) => Err(RelayError::from(error).into()),
        }
    }

    async fn contracts_there(&self, deployment: &Deployment) -> Result<(), Missing> {
        let chain_id = self.chain().id();
        let contracts = [("entry_point", deployment.entry_point.address), ("paymaster", deployment.paymaster)];
        for (role, address) in contracts {
            if !self.chain().reader.has_code(address).await.map_err(RelayError::from)? {
                return Err(Missing::NoContract { chain_id, address, role });
            }
        }
        Ok(())
    }

    /// Checks that the clocks agree, and that there is a window for a sponsorship now.
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
        let Chain { catalogue, time, .. } = self.chain();
        let now = time.last().filter(|_| is_chain_known).ok_or(Missing::ChainUnknown)?;
        time.check().map_err(RelayError::from)?;
        Window::of(&catalogue.validity, &now)?;
        Ok(())
    }

    async fn signer_admitted(&self, deployment: &Deployment, facts: &Facts, signer: Address) -> Result<(), Missing> {
        if facts.signer_admitted != Some(false) {
            return Ok(());
        }
        let paymaster = deployment.paymaster;
        let activatable = self.chain().reader.activatable_at(deployment, signer).await;
        match activatable.map_err(RelayError::from)? {
            Some(activatable_at) => {
                let wait = activatable_at.saturating_sub(facts.block.timestamp);
                Err(Missing::SignerProposed { paymaster, signer, activatable_at, wait })
            }
            None => Err(Missing::SignerNotAdmitted { paymaster, signer }),
        }
    }

    /// Checks that the contract accepts every window that this relay may request.
    async fn contract_window(&self, deployment: &Deployment) -> Result<(), Missing> {
        let (paymaster, wanted) = (deployment.paymaster, self.catalogue.max_window);
        match self.chain().reader.max_window(deployment).await.map_err(RelayError::from)? {
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
        let on_chain = &self.chain().catalogue;
        let (deposit, largest) = (Gwei::at_most(state.deposit).count(), on_chain.largest_cost());
        if deposit <= reserved || Gwei::at_least(largest).is_none_or(|cost| cost.count() > deposit - reserved) {
            return Err(Missing::DepositLow { paymaster, deposit, reserved, largest });
        }
        self.lasts(deployment, state).await?;
        let percent = self.catalogue.policy_set().caps().percent_unproven();
        let share = Gwei::at_most(state.deposit).percent(percent);
        match on_chain.largest_unproven() {
            Some(largest) if Gwei::at_least(largest).is_none_or(|cost| cost > share) => {
                Err(Missing::UnprovenShareLow { paymaster, deposit, percent, largest })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Checks that the deposit lasts as long as the operator wants.
    async fn lasts(&self, deployment: &Deployment, state: PaymasterState) -> Result<(), Missing> {
        let wanted = self.catalogue.ledger.min_hours_left;
        if wanted == 0 {
            return Ok(());
        }
        let reserved = self.store.reserved(deployment).await.map_err(RelayError::from)?;
        let (deposit, now) = (Gwei::at_most(state.deposit), self.chain().time.now());
        let hours = hours_left(&**self.store, deployment, deposit, reserved, now).await.map_err(RelayError::from)?;
        let paymaster = deployment.paymaster;
        match hours {
            Some(hours) if hours < wanted as f64 => Err(Missing::DepositShort { paymaster, hours, wanted }),
            Some(_) | None => Ok(()),
        }
    }
}
