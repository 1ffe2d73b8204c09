//! The keys that sign for the paymasters: which exist, as reported by the KMS, and which the
//! contracts admit.

mod admitted;
mod known;

use std::sync::Arc;

use proto::Address;

use crate::chain::ChainError;
use crate::chains::Chain;
use crate::deployment::Deployment;
use crate::error::RelayError;
use crate::kms::Kms;
use crate::ports::Clock;
use crate::recent::is_recent;
use admitted::Admitted;
use known::{KnownKeys, Standing};

/// Seconds for which the KMS's report of its keys is reused.
const FRESH: u64 = 30;

/// The keys as reported by KMS and contracts.
pub(crate) struct PaymasterSigners {
    kms: Arc<dyn Kms>,
    clock: Arc<dyn Clock>,
    known: KnownKeys,
    admitted: Admitted,
}

impl PaymasterSigners {
    /// Makes no requests yet.
    pub(crate) fn new(kms: Arc<dyn Kms>, clock: Arc<dyn Clock>) -> Self {
        Self { kms, clock, known: KnownKeys::default(), admitted: Admitted::default() }
    }

    /// Whether that key signs for our paymasters, or recently did, according to the KMS. For a new
    /// key or a former standby the KMS is queried again: another gateway may have another TEE, and
    /// keys are rotated.
    pub(crate) async fn is_ours(&self, signer: Address) -> Result<bool, RelayError> {
        if matches!(self.known.standing(signer), Some((Standing::Current | Standing::Retired, _))) {
            return Ok(true);
        }
        self.learn().await?;
        Ok(self.known.standing(signer).is_some())
    }

    /// The key that would sign now, according to the KMS. `None` if the KMS never answered.
    pub(crate) async fn current(&self) -> Option<Address> {
        match self.known.latest() {
            Some((current, learnt_at)) if self.is_fresh(learnt_at) => Some(current),
            Some(_) | None => self.learn_if_possible().await,
        }
    }

    /// Records a contract's answer about a key.
    pub(crate) fn note(&self, deployment: &Deployment, signer: Address, admitted: bool) {
        self.admitted.note(deployment, signer, admitted, self.clock.now());
    }

    /// Refuses if the contract would refuse the signature of the key that would sign now.
    ///
    /// # Errors
    /// [`RelayError::PaymasterSignerNotAdmitted`].
    pub(crate) async fn check_current(&self, chain: &Chain, deployment: &Deployment) -> Result<(), RelayError> {
        let Some(signer) = self.current().await else { return Ok(()) };
        match self.is_refused(chain, deployment, signer).await {
            true => self.check_successor(chain, deployment, signer).await,
            false => Ok(()),
        }
    }

    /// The same after the contract was found not to admit `signer`: another key may sign by now.
    ///
    /// # Errors
    /// [`RelayError::PaymasterSignerNotAdmitted`].
    pub(crate) async fn check_successor(
        &self,
        chain: &Chain,
        deployment: &Deployment,
        signer: Address,
    ) -> Result<(), RelayError> {
        match self.learn_if_possible().await {
            Some(current) if current != signer => self.check(chain, deployment, current).await,
            Some(_) | None => Err(RelayError::PaymasterSignerNotAdmitted { signer }),
        }
    }

    /// Refuses a signature that the contract would refuse. If the chain cannot answer, it is
    /// accepted.
    ///
    /// # Errors
    /// [`RelayError::PaymasterSignerNotAdmitted`].
    pub(crate) async fn check(
        &self,
        chain: &Chain,
        deployment: &Deployment,
        signer: Address,
    ) -> Result<(), RelayError> {
        match self.is_refused(chain, deployment, signer).await {
            true => Err(RelayError::PaymasterSignerNotAdmitted { signer }),
            false => Ok(()),
        }
    }

    /// Whether a signature by that key has to be replaced: the key is retired, or the contract does
    /// not admit it and another key signs now. If neither KMS nor chain can answer, the signature
    /// is kept.
    ///
    /// # Errors
    /// [`RelayError::PaymasterSignerNotAdmitted`] if the key is the current one: it would sign the
    /// same again.
    pub(crate) async fn is_outdated(
        &self,
        chain: &Chain,
        deployment: &Deployment,
        signer: Address,
    ) -> Result<bool, RelayError> {
        let standing = match self.known.standing(signer) {
            Some((Standing::Retired, _)) => return Ok(true),
            Some((standing, learnt_at)) if self.is_fresh(learnt_at) => Some(standing),
            Some(_) | None => {
                self.learn_if_possible().await;
                self.known.standing(signer).map(|(standing, _)| standing)
            }
        };
        if standing == Some(Standing::Retired) {
            return Ok(true);
        }
        if !self.is_refused(chain, deployment, signer).await {
            return Ok(false);
        }
        match self.learn_if_possible().await {
            Some(current) if current == signer => Err(RelayError::PaymasterSignerNotAdmitted { signer }),
            Some(_) | None => Ok(true),
        }
    }

    /// Whether the contract does not admit the key.
    async fn is_refused(&self, chain: &Chain, deployment: &Deployment, signer: Address) -> bool {
        match self.admits(chain, deployment, signer).await {
            Ok(admitted) => !admitted,
            Err(error) => {
                tracing::debug!(%error, %signer, "could not read from the chain whether the paymaster admits a signer");
                false
            }
        }
    }

    async fn admits(&self, chain: &Chain, deployment: &Deployment, signer: Address) -> Result<bool, ChainError> {
        if self.admitted.is_fresh(deployment, signer, self.clock.now()) {
            return Ok(true);
        }
        let admitted = chain.reader.admits(deployment, signer).await?;
        self.note(deployment, signer, admitted);
        Ok(admitted)
    }

    fn is_fresh(&self, learnt_at: u64) -> bool {
        is_recent(learnt_at, self.clock.now(), FRESH)
    }

    /// Queries the KMS; returns the key it would sign with now, or by its last report.
    async fn learn_if_possible(&self) -> Option<Address> {
        if let Err(error) = self.learn().await {
            tracing::debug!(%error, "the KMS did not report its paymaster signers");
        }
        self.known.latest().map(|(current, _)| current)
    }

    async fn learn(&self) -> Result<(), RelayError> {
        let told = self.kms.signers().await?;
        self.known.learn(&told, self.clock.now());
        Ok(())
    }
}
