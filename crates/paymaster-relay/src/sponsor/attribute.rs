//! Who stands behind a request: the account, if its passkey approved it; otherwise the caller's API
//! key, or nobody.

use std::sync::Arc;

use proto::Status;
use sha2::{Digest, Sha256};

use super::gesture;
use super::refusals::Refusals;
use super::request::{DraftRequest, SponsorRequest};
use crate::error::RelayError;
use crate::kms::Wallets;
use crate::policy::Violation;
use crate::store::Principal;

/// A request whose principal is known. Only [`Attribution`] makes one.
pub(super) struct Attributed {
    pub(super) request: SponsorRequest,
    principal: Principal,
}

impl Attributed {
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What claims and turns know it by: the principal's intent.
    pub(super) fn key(&self) -> [u8; 32] {
        let intent = self.request.intent.0;
        match &self.principal {
            // It is in the intent already.
            Principal::Account(_) => intent,
            other => Sha256::new().chain_update(intent).chain_update(other.to_string()).finalize().into(),
        }
    }
}

/// Finds out who stands behind a request.
pub(super) struct Attribution {
    wallets: Arc<Wallets>,
    refusals: Arc<Refusals>,
}

impl Attribution {
    pub(super) const fn new(wallets: Arc<Wallets>, refusals: Arc<Refusals>) -> Self {
        Self { wallets, refusals }
    }

    /// Verifies the passkey's approval; without one, makes sure that no account is named that needs
    /// it.
    ///
    /// # Errors
    /// [`RelayError::PasskeyRefused`], [`RelayError::AccountNeedsPasskey`], a
    /// [`Violation::PasskeyMissing`], [`RelayError::KmsRefused`] as `account_unknown`,
    /// [`RelayError::KmsUnavailable`].
    pub(super) async fn attribute(&self, request: SponsorRequest) -> Result<Attributed, RelayError> {
        let draft = &request.draft;
        let principal = match &request.passkey {
            Some(assertion) => {
                let passkey = self.wallets.passkey(&draft.account_id, &assertion.credential_id).await?;
                passkey
                    .ok_or(Status::CredentialUnknown)
                    .and_then(|passkey| gesture::verify(assertion, &passkey.public_key, &request.intent))
                    .map_err(|status| RelayError::PasskeyRefused { status })?;
                let signed = gesture::signed_hash(assertion);
                self.refusals.check_approval(&draft.account_id, &signed, draft.chain.time.now())?;
                draft.principal(true)
            }
            None => {
                if self.needs_passkey(draft).await? {
                    return Err(RelayError::AccountNeedsPasskey { account_id: draft.account_id.clone() });
                }
                draft.principal(false)
            }
        };
        Ok(Attributed { request, principal })
    }

    /// Whether the account is one of the TEE's, which nobody can name without its passkey.
    ///
    /// # Errors
    /// [`Violation::PasskeyMissing`] where the policy sponsors nothing without;
    /// [`RelayError::KmsUnavailable`].
    async fn needs_passkey(&self, draft: &DraftRequest) -> Result<bool, RelayError> {
        if !draft.policy.allows_without_passkey() {
            let policy_id = draft.policy.id().to_owned();
            return Err(RelayError::Policy { policy_id, violation: Violation::PasskeyMissing });
        }
        Ok(self.wallets.holds(&draft.account_id).await?)
    }
}
