//! The relay's yes: the policy holds and the cost is reserved. Nothing else makes an [`Approved`].

use proto::Terms;
use proto::json::GasFields;

use super::attribute::Attributed;
use super::quote::{Quote, cost, quote};
use super::request::{DraftRequest, SponsorRequest};
use crate::budget::Excess;
use crate::error::RelayError;
use crate::policy::Case;
use crate::relay::Relay;
use crate::store::{Gwei, NewSponsorship, Record, Reserved, SponsorshipId};

/// A request that may be signed, once: it holds the reservation, can't be copied, and is used up by signing.
pub(super) struct Approved {
    request: SponsorRequest,
    terms: Terms,
    reservation: SponsorshipId,
}

/// What came of a request that seemed to be the first of its intent.
pub(super) enum Approval {
    New(Box<Approved>),
    /// It was not: there is a record, made by another process or under a claim that got lost.
    Known(Box<Attributed>),
}

impl Approved {
    /// Quotes, judges and reserves. The intent is on the disk when this returns.
    pub(super) async fn decide(relay: &Relay, attributed: Attributed) -> Result<Approval, RelayError> {
        let (request, principal) = (&attributed.request, attributed.principal());
        let draft = &request.draft;
        let Quote { terms, cost, deposit } = quote(relay, draft, GasFields::Required).await?;
        judge(relay, draft, &terms, principal.is_proven())?;
        let sponsorship = NewSponsorship {
            id: SponsorshipId::new(),
            intent: request.intent,
            account_id: draft.account_id.clone(),
            principal: principal.clone(),
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
                let request = attributed.request;
                Ok(Approval::New(Box::new(Self { request, terms, reservation: sponsorship.id })))
            }
            Reserved::AlreadyRecorded => Ok(Approval::Known(Box::new(attributed))),
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
    pub(super) async fn resume(relay: &Relay, request: Attributed, record: Record) -> Result<Box<Self>, RelayError> {
        judge(relay, &request.request.draft, &record.terms, request.principal().is_proven())?;
        let limit = relay.catalogue.max_signings;
        if !relay.store.begin_signing(&record.id, limit).await? {
            return Err(RelayError::TooManySignings { limit });
        }
        Ok(Box::new(Self { request: request.request, terms: record.terms, reservation: record.id }))
    }

    /// Gives what was reserved before a window of now: the same cost, still charged once.
    pub(super) async fn renew(relay: &Relay, request: Attributed, record: Record) -> Result<Box<Self>, RelayError> {
        let draft = &request.request.draft;
        let Quote { terms, .. } = quote(relay, draft, GasFields::Required).await?;
        let terms = Terms { valid_until: terms.valid_until, valid_after: terms.valid_after, ..record.terms };
        judge(relay, draft, &terms, request.principal().is_proven())?;
        let limit = relay.catalogue.max_signings;
        if !relay.store.renew(&record.id, &terms, limit).await? {
            return Err(RelayError::TooManySignings { limit });
        }
        Ok(Box::new(Self { request: request.request, terms, reservation: record.id }))
    }

    pub(super) fn request(&self) -> &SponsorRequest {
        &self.request
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn reservation(&self) -> &SponsorshipId {
        &self.reservation
    }
}

/// Holds a draft against its policy at the worst case of these terms.
pub(super) fn judge(relay: &Relay, draft: &DraftRequest, terms: &Terms, proven: bool) -> Result<(), RelayError> {
    let standings = &relay.catalogue.standings;
    let case = Case {
        account_id: &draft.account_id,
        standing: if proven {
            standings.of(&draft.account_id)
        } else {
            standings.of_unproven(&draft.account_id, draft.op.sender)
        },
        op: &draft.op,
        cost: cost(draft, terms),
        proven,
    };
    draft
        .policy
        .judge(&case)
        .map_err(|violation| RelayError::Policy { policy_id: draft.policy.id().to_owned(), violation })
}
