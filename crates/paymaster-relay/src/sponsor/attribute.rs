//! Finds the principal of a request: the account, if its passkey approved it; otherwise the
//! caller's API key, or nobody.

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

/// A request whose principal is known. Only [`Attribution`] constructs one.
pub(super) struct Attributed {
    pub(super) request: SponsorRequest,
    principal: Principal,
}

impl Attributed {
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The key for claims and turns: the principal's intent.
    pub(super) fn key(&self) -> [u8; 32] {
        let intent = self.request.intent.0;
        match &self.principal {
            // The account is already part of the intent.
            Principal::Account(_) => intent,
            other => Sha256::new().chain_update(intent).chain_update(other.to_string()).finalize().into(),
        }
    }
}

/// Finds the principal of a request.
pub(super) struct Attribution {
    wallets: Arc<Wallets>,
    refusals: Arc<Refusals>,
}

impl Attribution {
    pub(super) const fn new(wallets: Arc<Wallets>, refusals: Arc<Refusals>) -> Self {
        Self { wallets, refusals }
    }

    /// Verifies the passkey's approval; without one, checks that no account is named that requires
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

    /// Whether the approval may be sent to the trusted application. Of a list, it may have refused
    /// another operation since it signed this one.
    ///
    /// # Errors
    /// [`RelayError::KmsRefused`] as before; [`RelayError::TooManyRefusals`].
    pub(super) fn check_refusals(&self, Attributed { request, .. }: &Attributed) -> Result<(), RelayError> {
        let SponsorRequest { draft, passkey, .. } = request;
        passkey.as_ref().map_or(Ok(()), |assertion| {
            let signed = gesture::signed_hash(assertion);
            self.refusals.check_approval(&draft.account_id, &signed, draft.chain.time.now())
        })
    }

    /// Whether the account is in the TEE, so that it cannot be named without its passkey.
    ///
    /// # Errors
    /// [`Violation::PasskeyMissing`] if the policy requires one; [`RelayError::KmsUnavailable`].
    async fn needs_passkey(&self, draft: &DraftRequest) -> Result<bool, RelayError> {
        if !draft.policy.allows_without_passkey() {
            let policy_id = draft.policy.id().to_owned();
            return Err(RelayError::Policy { policy_id, violation: Violation::PasskeyMissing });
        }
        Ok(self.wallets.holds(&draft.account_id).await?)
    }
}
