//! What can be refused before the user is asked: everything but what is about the approval itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::json::GasFields;
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, Status, Terms};

use super::approve::{check_policy, needs_renewal, propose};
use super::quote::{judge, quote};
use super::request::DraftRequest;
use crate::error::RelayError;
use crate::kms::KmsError;
use crate::relay::Relay;
use crate::store::{Principal, Reserved, State};

/// How long it is believed what the KMS lets the relay's key do; a refusal is never kept.
const FRESH: Duration = Duration::from_secs(5);

/// The permissions of the relay's key, as the KMS said last.
#[derive(Debug, Default)]
pub(crate) struct Granted(Mutex<Option<(Address, Permissions, Instant)>>);

/// A request without its approval.
pub(super) struct Preview<'a> {
    pub(super) draft: &'a DraftRequest,
    /// Who will stand behind it.
    pub(super) principal: Principal,
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) gas: GasFields,
}

impl Relay {
    /// The terms on which a request would be sponsored now. Charges nothing.
    ///
    /// # Errors
    /// Whatever the request would be refused with, once it is approved.
    pub(super) async fn preview(&self, preview: Preview<'_>) -> Result<Terms, RelayError> {
        let Preview { draft, principal, idempotency_key, gas } = preview;
        let is_proven = principal.is_proven();
        let intent = draft.intent();
        self.check_idempotency_key(&principal, idempotency_key, &intent).await?;
        let known = self.store.find(&intent, &principal, self.now()).await?;
        if let Some(record) = known.filter(|record| record.state != State::Settled) {
            check_policy(&record, draft)?;
            let renews = needs_renewal(self, &record, draft);
            let terms = if renews { quote(self, draft, gas, is_proven).await?.terms } else { record.terms };
            judge(self, draft, &terms, is_proven)?;
            let limit = self.catalogue.max_signings;
            if record.signings >= limit && (renews || record.signed.is_none()) {
                return Err(RelayError::TooManySignings { limit });
            }
            self.check_permission(is_proven).await?;
            return Ok(terms);
        }
        let proposal = propose(self, draft, principal, idempotency_key, gas).await?;
        self.check_permission(is_proven).await?;
        match self.store.would_reserve(&proposal.sponsorship, &proposal.limits, self.now()).await? {
            Reserved::Recorded | Reserved::AlreadyRecorded => Ok(proposal.sponsorship.terms),
            Reserved::KeyTaken => Err(RelayError::IdempotencyConflict),
            Reserved::OverLimit(excess) => Err(proposal.over(excess)),
        }
    }

    /// Whether the trusted application lets the relay's key sponsor, as far as one can ask. After a
    /// rotation whose end nobody heard it can't be told which key is in use.
    async fn check_permission(&self, is_proven: bool) -> Result<(), RelayError> {
        if self.relay_key.is_unresolved() {
            return Ok(());
        }
        // A rotation waits until both the key and its permissions are read.
        let lease = self.relay_key.lease().await;
        let address = lease.address();
        let suffices = |granted: Permissions| is_proven || granted.contains(Permissions::SPONSOR_WITHOUT_PASSKEY);
        if self.granted.of(address).is_some_and(suffices) {
            return Ok(());
        }
        let granted = permissions_of(&self.kms.signers().await?.signers, address)?;
        self.granted.note(address, granted);
        if suffices(granted) { Ok(()) } else { Err(RelayError::WithoutPasskeyNotPermitted) }
    }
}

fn permissions_of(signers: &[AuthorisedSigner], address: Address) -> Result<Permissions, RelayError> {
    let refused = |status| Err(KmsError::from_status(status).into());
    match signers.iter().find(|signer| signer.address == address) {
        None => refused(Status::SignerNotAuthorised),
        Some(signer) if !signer.permissions.contains(Permissions::SPONSOR) => refused(Status::PermissionMissing),
        Some(signer) => Ok(signer.permissions),
    }
}

impl Granted {
    fn of(&self, address: Address) -> Option<Permissions> {
        let granted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        granted.filter(|(of, _, at)| *of == address && at.elapsed() < FRESH).map(|(_, permissions, _)| permissions)
    }

    fn note(&self, address: Address, permissions: Permissions) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((address, permissions, Instant::now()));
    }
}
