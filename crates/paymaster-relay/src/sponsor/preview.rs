//! Refusals before the user is asked: everything except errors of the approval itself.

use std::sync::Arc;

use proto::json::GasFields;
use proto::{Status, Terms};

use super::approve::Approver;
use super::intent::Intent;
use super::known::check_policy;
use super::quote::verification_gas;
use super::refusals::Refusals;
use super::request::DraftRequest;
use super::stub::Stub;
use super::verdicts::Verdict;
use crate::claims::ClaimStore;
use crate::error::RelayError;
use crate::kms::{KmsError, Wallets};
use crate::parts::Parts;
use crate::store::{Principal, Store};

/// Previews requests.
pub(super) struct Previews {
    approver: Arc<Approver>,
    wallets: Arc<Wallets>,
    refusals: Arc<Refusals>,
    store: Arc<dyn Store>,
    claims: Arc<dyn ClaimStore>,
}

/// A request without its approval.
struct Preview<'a> {
    draft: &'a DraftRequest,
    /// The expected principal.
    principal: Principal,
    gas: GasFields,
}

impl Previews {
    pub(super) fn new(approver: Arc<Approver>, wallets: Arc<Wallets>, refusals: Arc<Refusals>, parts: &Parts) -> Self {
        let Parts { store, claims, .. } = parts.clone();
        Self { approver, wallets, refusals, store, claims }
    }

    /// See [`super::Sponsor::intent`].
    pub(super) async fn intent(&self, draft: &DraftRequest) -> Result<Intent, RelayError> {
        let wallet = self.wallets.ask(&draft.account_id).await?;
        let principal = draft.principal(true);
        self.preview(Preview { draft, principal, gas: GasFields::Required }).await?;
        Ok(Intent::of(draft, &wallet))
    }

    /// See [`super::Sponsor::stub`].
    pub(super) async fn stub(&self, draft: &DraftRequest) -> Result<Stub, RelayError> {
        let principal = self.expected_principal(draft).await?;
        let terms = self.preview(Preview { draft, principal, gas: GasFields::Optional }).await?;
        Ok(Stub::of(&terms, draft.deployment.entry_point.version))
    }

    /// See [`super::Sponsor::verdicts`]. Of a principal that is proven, the account's usage and
    /// standing are told.
    pub(super) async fn verdicts(
        &self,
        draft: &DraftRequest,
        proven: Option<Principal>,
        gas: GasFields,
    ) -> Result<Vec<Verdict>, RelayError> {
        let is_owner = proven.as_ref().is_some_and(Principal::is_proven);
        let principal = match proven {
            Some(principal) => principal,
            None => self.expected_principal(draft).await?,
        };
        self.claims.takes_claims().await?;
        if let Some(record) = self.store.find(&draft.intent(), &principal, draft.chain.time.now()).await?
            && !record.state.is_mined()
        {
            check_policy(&record, draft).map_err(RelayError::before_proof)?;
        }
        let verdicts = self.approver.verdicts(draft, principal, gas).await.map_err(RelayError::before_proof)?;
        Ok(match is_owner {
            true => verdicts,
            false => verdicts.into_iter().map(Verdict::before_proof).collect(),
        })
    }

    /// An account in the TEE will be approved with its passkey; other accounts have none.
    async fn expected_principal(&self, draft: &DraftRequest) -> Result<Principal, RelayError> {
        let is_held = self.wallets.holds(&draft.account_id).await?;
        if !is_held && draft.names_an_account() && !draft.policy.allows_without_passkey() {
            return Err(KmsError::from_status(Status::AccountUnknown).into());
        }
        Ok(draft.principal(is_held))
    }

    /// The terms on which a request would be sponsored now. Charges nothing. Anyone may preview for
    /// any account, so nothing about the account's usage is disclosed except the reason of a
    /// refusal, and idempotency keys are not checked.
    ///
    /// # Errors
    /// The refusals of the approved request, except for idempotency keys. Also if it would get a
    /// stored answer that cannot be mined now: the paymaster is paused, or the account has used the
    /// nonce.
    async fn preview(&self, preview: Preview<'_>) -> Result<Terms, RelayError> {
        self.terms_of(preview).await.map_err(RelayError::before_proof)
    }

    async fn terms_of(&self, preview: Preview<'_>) -> Result<Terms, RelayError> {
        let Preview { draft, principal, gas } = preview;
        let is_proven = principal.is_proven();
        if is_proven {
            self.refusals.check(&draft.account_id, draft.chain.time.now())?;
        }
        // An approved request is refused for these fields, whatever is stored.
        verification_gas(draft)?;
        self.claims.takes_claims().await?;
        let known = self.store.find(&draft.intent(), &principal, draft.chain.time.now()).await?;
        match known.filter(|record| !record.state.is_mined()) {
            Some(record) => self.approver.terms_of_known(draft, &record, gas, is_proven).await,
            None => self.approver.terms_of_new(draft, principal, gas).await,
        }
    }
}
