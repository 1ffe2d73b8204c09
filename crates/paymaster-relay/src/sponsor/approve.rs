//! The relay's yes: the policy holds and the cost is reserved. Nothing else makes an [`Approved`].

use proto::json::GasFields;
use proto::{Terms, Wei};

use super::attribute::Attributed;
use super::quote::{Quote, judge, quote};
use super::request::{DraftRequest, SponsorRequest};
use crate::budget::{Excess, Limits};
use crate::error::RelayError;
use crate::relay::Relay;
use crate::store::{Gwei, NewSponsorship, Principal, Record, Reserved, SponsorshipId};

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
    /// Quotes, judges and reserves, unless the TEE would refuse it. The intent is on the disk when this returns.
    pub(super) async fn decide(relay: &Relay, attributed: Attributed) -> Result<Approval, RelayError> {
        let request = &attributed.request;
        let (principal, key) = (attributed.principal().clone(), request.idempotency_key.as_deref());
        let proposal = propose(relay, &request.draft, principal, key, GasFields::Required).await?;
        match relay.store.reserve(&proposal.sponsorship, &proposal.limits).await? {
            Reserved::Recorded => {
                let NewSponsorship { id: reservation, terms, .. } = proposal.sponsorship;
                Ok(Approval::New(Box::new(Self { request: attributed.request, terms, reservation })))
            }
            Reserved::AlreadyRecorded => Ok(Approval::Known(Box::new(attributed))),
            Reserved::KeyTaken { is_mined } => Err(RelayError::IdempotencyConflict { is_mined }),
            Reserved::OverLimit(excess) => Err(proposal.over(excess)),
        }
    }

    /// Goes on with what was reserved for the same intent before: the same terms, and no second charge.
    pub(super) async fn resume(relay: &Relay, request: Attributed, record: Record) -> Result<Box<Self>, RelayError> {
        let (draft, is_proven) = (&request.request.draft, request.principal().is_proven());
        check_paymaster(&record, draft)?;
        judge(relay, draft, &record.terms, is_proven)?;
        relay.check_grant(draft, &record.terms, is_proven).await?;
        let limit = relay.catalogue.max_signings;
        if !relay.store.begin_signing(&record.id, limit).await? {
            return Err(RelayError::TooManySignings { limit });
        }
        Ok(Box::new(Self { request: request.request, terms: record.terms, reservation: record.id }))
    }

    /// Gives what was reserved before a window of now: the same cost, still charged once.
    pub(super) async fn renew(relay: &Relay, request: Attributed, record: Record) -> Result<Box<Self>, RelayError> {
        let draft = &request.request.draft;
        let is_proven = request.principal().is_proven();
        let terms = renewed_terms(relay, draft, &record, GasFields::Required, is_proven).await?;
        judge(relay, draft, &terms, is_proven)?;
        relay.check_grant(draft, &terms, is_proven).await?;
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

/// Refuses to go on with a sponsorship under another policy than it was approved by.
pub(super) fn check_policy(record: &Record, draft: &DraftRequest) -> Result<(), RelayError> {
    let asked = draft.policy.id();
    if record.policy_id == asked {
        return Ok(());
    }
    let is_mined = record.state.is_mined();
    Err(RelayError::PolicyConflict { stored: Some(record.policy_id.clone()), is_mined, asked: asked.to_owned() })
}

/// Refuses to sign once more for a paymaster that the settings no longer name.
pub(super) fn check_paymaster(record: &Record, draft: &DraftRequest) -> Result<(), RelayError> {
    let stored = record.terms.paymaster;
    if stored == draft.deployment.paymaster { Ok(()) } else { Err(RelayError::PaymasterReplaced { stored }) }
}

/// Whether a window is too short for another approval of what was reserved.
pub(super) fn needs_renewal(relay: &Relay, record: &Record, draft: &DraftRequest) -> bool {
    record.terms.valid_until < draft.validity.needed(relay.now())
}

/// What was reserved, with a window of now.
pub(super) async fn renewed_terms(
    relay: &Relay,
    draft: &DraftRequest,
    record: &Record,
    gas: GasFields,
    is_proven: bool,
) -> Result<Terms, RelayError> {
    check_paymaster(record, draft)?;
    let Terms { valid_until, valid_after, .. } = quote(relay, draft, gas, is_proven).await?.terms;
    Ok(Terms { valid_until, valid_after, ..record.terms })
}

/// What would be reserved for a request, and within which limits.
pub(super) struct Proposal {
    pub(super) sponsorship: NewSponsorship,
    pub(super) limits: Limits,
    cost: Wei,
    deposit: Wei,
}

/// Quotes a request, and holds it against its policy and what the TEE lets the relay sponsor. Charges nothing.
pub(super) async fn propose(
    relay: &Relay,
    draft: &DraftRequest,
    principal: Principal,
    idempotency_key: Option<&str>,
    gas: GasFields,
) -> Result<Proposal, RelayError> {
    let Quote { terms, cost, deposit, block } = quote(relay, draft, gas, principal.is_proven()).await?;
    relay.check_grant(draft, &terms, principal.is_proven()).await?;
    let sponsorship = NewSponsorship {
        id: SponsorshipId::new(),
        intent: draft.intent(),
        account_id: draft.account_id.clone(),
        is_vouched: draft.is_vouched(&principal),
        principal,
        api_key: draft.caller.key_id().cloned(),
        idempotency_key: idempotency_key.map(str::to_owned),
        policy_id: draft.policy.id().to_owned(),
        deployment: draft.deployment,
        block,
        sender: draft.op.sender,
        account_nonce: draft.op.nonce,
        terms,
        max_cost: Gwei::at_least(cost).ok_or(RelayError::DepositTooLow { cost, deposit, reserved: Gwei::default() })?,
        created_at: relay.clock.now(),
    };
    Ok(Proposal { sponsorship, limits: relay.catalogue.caps.within(Gwei::at_most(deposit)), cost, deposit })
}

impl Proposal {
    /// The refusal for a limit that it does not fit into.
    pub(super) fn over(&self, excess: Excess) -> RelayError {
        let Self { cost, deposit, .. } = *self;
        match excess {
            Excess::Deposit { reserved } => RelayError::DepositTooLow { cost, deposit, reserved },
            Excess::Cap { scope, rule, limit } => RelayError::TooMuchReserved { scope, rule, limit },
        }
    }
}
