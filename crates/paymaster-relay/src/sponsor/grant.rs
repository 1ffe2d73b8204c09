//! What the trusted application permits this relay to sponsor, as recently reported by the KMS.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::command::{Allowances, Ceilings, Deployment};
use proto::paymaster::WINDOW_SLACK;
use proto::{Address, Permissions, Status, Terms, worst_case_cost};

use super::request::DraftRequest;
use crate::error::RelayError;
use crate::kms::{Kms, KmsError, KmsSigners};
use crate::ports::Clock;
use crate::relay_key::RelayKey;

/// How long the report is reused; a refusal is never cached.
const FRESH: Duration = Duration::from_secs(5);

/// Queries the KMS, and caches its last report.
pub(super) struct Grants {
    kms: Arc<dyn Kms>,
    relay_key: Arc<RelayKey>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Arc<Grant>, Instant)>>,
}

/// The relay key's permissions, and the bounds of every sponsorship.
#[derive(Debug)]
struct Grant {
    relay_key: Address,
    permissions: Permissions,
    ceilings: Option<Ceilings>,
    allowances: Option<Allowances>,
}

impl Grants {
    pub(super) fn new(kms: Arc<dyn Kms>, relay_key: Arc<RelayKey>, clock: Arc<dyn Clock>) -> Self {
        Self { kms, relay_key, clock, last: Mutex::default() }
    }

    /// Checks whether the trusted application would sign for a draft on these terms, as far as can
    /// be determined. After a rotation with an unknown outcome the current key is unknown.
    ///
    /// # Errors
    /// The refusal of the trusted application; [`RelayError::KmsUnavailable`].
    pub(super) async fn check(&self, draft: &DraftRequest, terms: &Terms, is_proven: bool) -> Result<(), RelayError> {
        if self.relay_key.open_rotation().is_some() {
            return Ok(());
        }
        // A rotation waits until both the key and its permissions have been read.
        let lease = self.relay_key.lease().await;
        let now = self.clock.now();
        if let Some(grant) = self.recent(lease.address())
            && grant.check(draft, terms, is_proven, now).is_ok()
        {
            return Ok(());
        }
        let grant = Grant::of(self.kms.signers().await?, lease.address())?;
        let outcome = grant.check(draft, terms, is_proven, now);
        self.note(grant);
        outcome
    }

    fn recent(&self, relay_key: Address) -> Option<Arc<Grant>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (grant, _) = last.as_ref().filter(|(grant, at)| grant.relay_key == relay_key && at.elapsed() < FRESH)?;
        Some(Arc::clone(grant))
    }

    fn note(&self, grant: Grant) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::new(grant), Instant::now()));
    }
}

impl Grant {
    fn of(known: KmsSigners, relay_key: Address) -> Result<Self, RelayError> {
        match known.signers.iter().find(|signer| signer.address == relay_key).copied() {
            None => Err(refused(Status::SignerNotAuthorised)),
            Some(signer) if !signer.permissions.contains(Permissions::SPONSOR) => {
                Err(refused(Status::PermissionMissing))
            }
            Some(signer) => {
                let KmsSigners { ceilings, allowances, .. } = known;
                Ok(Self { relay_key, permissions: signer.permissions, ceilings, allowances })
            }
        }
    }

    fn check(&self, draft: &DraftRequest, terms: &Terms, is_proven: bool, now: u64) -> Result<(), RelayError> {
        if !is_proven && !self.permissions.contains(Permissions::SPONSOR_WITHOUT_PASSKEY) {
            return Err(RelayError::WithoutPasskeyNotPermitted);
        }
        let ceilings = self.ceilings.as_ref();
        ceilings.map_or(Ok(()), |ceilings| check_ceilings(ceilings, draft, terms, now))?;
        self.allowances.as_ref().map_or(Ok(()), |allowances| check_allowance(allowances, draft, terms))
    }
}

/// In the order of the trusted application, which makes the actual decision.
fn check_ceilings(ceilings: &Ceilings, draft: &DraftRequest, terms: &Terms, now: u64) -> Result<(), RelayError> {
    let entry_point = draft.deployment.entry_point;
    if !ceilings.deployments.contains(&Deployment { entry_point, paymaster: terms.paymaster }) {
        return Err(refused(Status::DeploymentNotAllowed));
    }
    let max_window = u64::from(ceilings.max_window);
    let latest = now.saturating_add(max_window).min(terms.valid_after.saturating_add(max_window + WINDOW_SLACK));
    if terms.valid_until > latest {
        return Err(above(Status::WindowTooWide, format_args!("maxWindow is {max_window} s"), max_window.into()));
    }
    match worst_case_cost(&draft.op, entry_point.version, terms) {
        Some(cost) if cost <= ceilings.max_cost => Ok(()),
        _ => {
            let max_cost = ceilings.max_cost;
            Err(above(Status::CostAboveCeiling, format_args!("maxCost is {max_cost}"), max_cost.0))
        }
    }
}

/// What remains is not stated: it is made up of what others were sponsored for.
fn check_allowance(allowances: &Allowances, draft: &DraftRequest, terms: &Terms) -> Result<(), RelayError> {
    let entry_point = draft.deployment.entry_point;
    let Some(remaining) = allowances.remaining(&Deployment { entry_point, paymaster: terms.paymaster }) else {
        return Ok(());
    };
    match worst_case_cost(&draft.op, entry_point.version, terms) {
        Some(cost) if cost <= remaining => Ok(()),
        _ => Err(refused(Status::AllowanceExhausted)),
    }
}

/// The refusal with the ceiling, in the KMS's form.
fn above(status: Status, ceiling: impl Display, limit: u128) -> RelayError {
    RelayError::KmsRefused { reason: status.into(), message: format!("{status}: {ceiling}"), limit: Some(limit) }
}

fn refused(status: Status) -> RelayError {
    KmsError::from_status(status).into()
}
