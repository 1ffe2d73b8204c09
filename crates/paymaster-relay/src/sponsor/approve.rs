//! The relay's yes: the policy holds and the cost is reserved. Nothing else makes an [`Approved`].

use proto::Terms;
use proto::json::GasFields;

use super::quote::{Quote, cost, quote};
use super::request::{DraftRequest, SponsorRequest};
use crate::budget::Excess;
use crate::error::RelayError;
use crate::policy::Case;
use crate::relay::Relay;
use crate::store::{Gwei, NewSponsorship, Record, Reserved, Signed, SponsorshipId};

/// A request that may be signed, once: it holds the reservation, can't be copied, and is used up by signing.
pub(super) struct Approved {
    request: SponsorRequest,
    terms: Terms,
    reservation: SponsorshipId,
    /// What was signed for the same intent before.
    before: Option<Signed>,
}

/// What came of a request that seemed to be the first of its intent.
pub(super) enum Approval {
    New(Box<Approved>),
    /// It was not: there is a record, made by another process or under a claim that got lost.
    Known(Box<SponsorRequest>),
}

impl Approved {
    /// Quotes, judges and reserves. The intent is on the disk when this returns.
    pub(super) async fn decide(relay: &Relay, request: SponsorRequest) -> Result<Approval, RelayError> {
        let draft = &request.draft;
        let Quote { terms, cost, deposit } = quote(relay, draft, GasFields::Required).await?;
        judge(relay, draft, &terms, request.passkey.is_some())?;
        let sponsorship = NewSponsorship {
            id: SponsorshipId::new(),
            intent: request.intent,
            account_id: draft.account_id.clone(),
            principal: request.principal(),
            api_key: draft.caller.key_id().cloned(),
            idempotency_key: request.idempotency_key.clone(),
            policy_id: draft.policy.id().to_owned(),
            deployment: draft.deployment,
            sender: draft.op.sender,
            account_nonce: draft.op.nonce,
            terms,
            max_cost: Gwei::at_least(cost).ok_or(RelayError::DepositTooLow {
                cost,
                deposit,
                reserved: Gwei::default(),
            })?,
            created_at: relay.clock.now(),
        };
        let limits = relay.catalogue.caps.within(Gwei::at_most(deposit));
        match relay.store.reserve(&sponsorship, &limits, relay.now()).await? {
            Reserved::Recorded => {
                Ok(Approval::New(Box::new(Self { request, terms, reservation: sponsorship.id, before: None })))
            }
            Reserved::AlreadyRecorded => Ok(Approval::Known(Box::new(request))),
            Reserved::KeyTaken => Err(RelayError::IdempotencyConflict),
            Reserved::OverLimit(Excess::Deposit { reserved }) => {
                Err(RelayError::DepositTooLow { cost, deposit, reserved })
            }
            Reserved::OverLimit(Excess::Cap { scope, rule, limit }) => {
                Err(RelayError::TooMuchReserved { scope, rule, limit })
            }
        }
    }

    /// Goes on with what was reserved for the same intent before: the same terms, and no second charge.
    pub(super) fn resume(relay: &Relay, request: SponsorRequest, record: Record) -> Result<Box<Self>, RelayError> {
        judge(relay, &request.draft, &record.terms, request.passkey.is_some())?;
        Ok(Box::new(Self { request, terms: record.terms, reservation: record.id, before: record.signed }))
    }

    pub(super) fn request(&self) -> &SponsorRequest {
        &self.request
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether these signatures add nothing to what is recorded: the account's was there, and now nobody asked for it.
    pub(super) fn knows_more_than(&self, signed: &Signed) -> bool {
        let had_account = self.before.as_ref().is_some_and(|before| before.account_signature.is_some());
        had_account && signed.account_signature.is_none()
    }

    pub(super) fn reservation(&self) -> &SponsorshipId {
        &self.reservation
    }
}

/// Holds a draft against its policy at the worst case of these terms.
pub(super) fn judge(relay: &Relay, draft: &DraftRequest, terms: &Terms, has_passkey: bool) -> Result<(), RelayError> {
    let case = Case {
        account_id: &draft.account_id,
        standing: relay.catalogue.standings.of(&draft.account_id),
        op: &draft.op,
        cost: cost(draft, terms),
        has_passkey,
    };
    draft
        .policy
        .judge(&case)
        .map_err(|violation| RelayError::Policy { policy_id: draft.policy.id().to_owned(), violation })
}
