//! What can be refused before the user is asked: everything but what is about the approval itself.

use proto::Terms;
use proto::json::GasFields;

use super::approve::{check_paymaster, check_policy, needs_renewal, propose, renewed_terms};
use super::quote::{check_minable, judge};
use super::request::DraftRequest;
use crate::error::RelayError;
use crate::relay::Relay;
use crate::store::{Principal, Reserved};

/// A request without its approval.
pub(super) struct Preview<'a> {
    pub(super) draft: &'a DraftRequest,
    /// Who will stand behind it.
    pub(super) principal: Principal,
    pub(super) gas: GasFields,
}

impl Relay {
    /// The terms on which a request would be sponsored now. Charges nothing. Anybody may ask for any account, so that nothing
    /// is told of how the account itself was used but the reason of a refusal, and idempotency keys aren't looked at.
    ///
    /// # Errors
    /// Whatever the request would be refused with, once it is approved, but for an idempotency key. Also where it would get a
    /// stored answer that can't be mined now: the paymaster is paused, or the account has used the nonce.
    pub(super) async fn preview(&self, preview: Preview<'_>) -> Result<Terms, RelayError> {
        self.terms_of(preview).await.map_err(RelayError::before_proof)
    }

    async fn terms_of(&self, preview: Preview<'_>) -> Result<Terms, RelayError> {
        let Preview { draft, principal, gas } = preview;
        let is_proven = principal.is_proven();
        if is_proven {
            self.refusals.check(&draft.account_id, self.now())?;
        }
        let intent = draft.intent();
        self.nonces.takes_claims().await?;
        let known = self.store.find(&intent, &principal, self.now()).await?;
        if let Some(record) = known.filter(|record| !record.state.is_mined()) {
            check_policy(&record, draft)?;
            let renews = needs_renewal(self, &record, draft);
            let terms = match renews {
                true => renewed_terms(self, draft, &record, gas, is_proven).await?,
                false => {
                    check_minable(self, draft).await?;
                    record.terms
                }
            };
            judge(self, draft, &terms, is_proven)?;
            if renews || self.needs_signing(&record, draft).await? {
                check_paymaster(&record, draft)?;
                self.check_grant(draft, &terms, is_proven).await?;
                let limit = self.catalogue.max_signings;
                if record.signings >= limit {
                    return Err(RelayError::TooManySignings { limit });
                }
                self.paymaster_signers.check_current(&draft.deployment).await?;
            }
            return Ok(terms);
        }
        let proposal = propose(self, draft, principal, None, gas).await?;
        match self.store.would_reserve(&proposal.sponsorship, &proposal.limits).await? {
            Reserved::Recorded | Reserved::AlreadyRecorded | Reserved::KeyTaken { .. } => {}
            Reserved::OverLimit(excess) => return Err(proposal.over(excess)),
        }
        Ok(proposal.sponsorship.terms)
    }
}
