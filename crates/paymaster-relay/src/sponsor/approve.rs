//! The relay's approval: the policy is satisfied and the cost is reserved. Nothing else constructs
//! an [`Approved`].

use std::sync::Arc;

use proto::json::GasFields;
use proto::{EntryPoint, Terms, Wei, worst_case_gas};

use super::approval_by_webhook::WebhookApproval;
use super::attribute::Attributed;
use super::grant::Grants;
use super::known::{check_paymaster, check_policy, needs_renewal, needs_signing};
use super::quote::{Quote, Quoter};
use super::request::{DraftRequest, SponsorRequest};
use super::simulation;
use super::verdicts::{RESERVATIONS, SIMULATE, TEE, Verdict, WEBHOOK};
use crate::budget::{Excess, Limit};
use crate::catalogue::Catalogue;
use crate::error::RelayError;
use crate::gwei::Gwei;
use crate::metrics::Metrics;
use crate::parts::Parts;
use crate::paymaster_signers::PaymasterSigners;
use crate::policy::Violation;
use crate::ports::Clock;
use crate::spend::{Amounts, Charge, Overspent, Spender};
use crate::store::{NewSponsorship, Principal, Record, Reserved, SponsorshipId, Store};

/// A request that may be signed once: it holds the reservation, cannot be copied, and is consumed
/// by signing.
pub(super) struct Approved {
    request: SponsorRequest,
    terms: Terms,
    reservation: SponsorshipId,
}

/// The outcome for a request that seemed to be the first of its intent.
pub(super) enum Approval {
    New(Box<Approved>),
    /// It was not: there is a record, created by another process or under a claim whose answer was
    /// lost.
    Known(Box<Attributed>),
}

/// Approves requests.
pub(super) struct Approver {
    catalogue: Arc<Catalogue>,
    store: Arc<dyn Store>,
    quoter: Arc<Quoter>,
    grants: Grants,
    paymaster_signers: Arc<PaymasterSigners>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    webhook: WebhookApproval,
}

/// The proposed reservation of a request, and its limits.
struct Proposal {
    sponsorship: NewSponsorship,
    limits: Vec<Limit>,
    cost: Wei,
    deposit: Wei,
    shadowed: Vec<Violation>,
}

impl Approver {
    pub(super) fn new(quoter: Arc<Quoter>, paymaster_signers: Arc<PaymasterSigners>, parts: &Parts) -> Self {
        let Parts { catalogue, store, kms, relay_key, clock, metrics, webhooks, .. } = parts.clone();
        let grants = Grants::new(kms, relay_key, Arc::clone(&clock));
        let webhook = WebhookApproval::new(webhooks);
        Self { catalogue, store, quoter, grants, paymaster_signers, clock, metrics, webhook }
    }

    /// Quotes, judges and reserves, unless the TEE would refuse the request. The intent is on disk
    /// when this returns.
    pub(super) async fn decide(&self, attributed: Attributed) -> Result<Approval, RelayError> {
        let request = &attributed.request;
        let (principal, key) = (attributed.principal().clone(), request.idempotency_key.as_deref());
        let proposal = self.propose(&request.draft, principal, key, GasFields::Required).await?;
        match self.store.reserve(&proposal.sponsorship, &proposal.limits).await? {
            Reserved::Recorded => {
                self.note_shadowed(&request.draft, &proposal.shadowed);
                let NewSponsorship { id: reservation, terms, .. } = proposal.sponsorship;
                Ok(Approval::New(Box::new(Approved { request: attributed.request, terms, reservation })))
            }
            Reserved::AlreadyRecorded => Ok(Approval::Known(Box::new(attributed))),
            Reserved::KeyTaken { is_mined } => Err(RelayError::IdempotencyConflict { is_mined }),
            Reserved::OverLimit(excess) => Err(proposal.over(excess)),
            Reserved::Overspent(overspent) => Err(proposal.overspent(overspent)),
        }
    }

    /// Counts and logs what rules in shadow would have refused.
    fn note_shadowed(&self, draft: &DraftRequest, violations: &[Violation]) {
        let policy = draft.policy.id();
        for violation in violations {
            self.metrics.shadowed(policy, violation.reason());
            tracing::info!(policy, reason = violation.reason(), %violation, "a rule in shadow would have refused");
        }
    }

    /// Has others judge what is reserved, if its policy says so: a bundler, then the webhook.
    ///
    /// # Errors
    /// Those of [`simulation::simulate`] and [`WebhookApproval::requested`].
    pub(super) async fn ask_others(&self, approved: &Approved, is_proven: bool) -> Result<(), RelayError> {
        self.ask_about(&approved.reservation, &approved.request.draft, &approved.terms, is_proven).await
    }

    async fn ask_about(
        &self,
        id: &SponsorshipId,
        draft: &DraftRequest,
        terms: &Terms,
        is_proven: bool,
    ) -> Result<(), RelayError> {
        simulation::simulate(draft, terms).await?;
        self.webhook.requested(id, draft, terms, is_proven).await
    }

    /// Continues an existing reservation of the same intent: the same terms, and no second charge.
    pub(super) async fn resume(&self, request: Attributed, record: Record) -> Result<Box<Approved>, RelayError> {
        let (draft, is_proven) = (&request.request.draft, request.principal().is_proven());
        check_paymaster(&record, draft)?;
        self.quoter.judge_again(draft, &record.terms, is_proven).await?;
        self.grants.check(draft, &record.terms, is_proven).await?;
        self.ask_about(&record.id, draft, &record.terms, is_proven).await?;
        let limit = self.catalogue.max_signings;
        if !self.store.begin_signing(&record.id, limit).await? {
            return Err(RelayError::TooManySignings { limit });
        }
        Ok(Box::new(Approved { request: request.request, terms: record.terms, reservation: record.id }))
    }

    /// Renews the window of an existing reservation: the same cost, still charged once.
    pub(super) async fn renew(&self, request: Attributed, record: Record) -> Result<Box<Approved>, RelayError> {
        let (draft, is_proven) = (&request.request.draft, request.principal().is_proven());
        let terms = self.renewed_terms(draft, &record, GasFields::Required, is_proven).await?;
        self.quoter.judge(draft, &terms, is_proven).await?;
        self.grants.check(draft, &terms, is_proven).await?;
        self.ask_about(&record.id, draft, &terms, is_proven).await?;
        let limit = self.catalogue.max_signings;
        if !self.store.renew(&record.id, &terms, limit).await? {
            return Err(RelayError::TooManySignings { limit });
        }
        Ok(Box::new(Approved { request: request.request, terms, reservation: record.id }))
    }

    /// The terms that [`Self::decide`] would reserve. Charges nothing.
    pub(super) async fn terms_of_new(
        &self,
        draft: &DraftRequest,
        principal: Principal,
        gas: GasFields,
    ) -> Result<Terms, RelayError> {
        let is_proven = principal.is_proven();
        let proposal = self.propose(draft, principal, None, gas).await?;
        match self.store.would_reserve(&proposal.sponsorship, &proposal.limits).await? {
            Reserved::Recorded | Reserved::AlreadyRecorded | Reserved::KeyTaken { .. } => {
                let terms = proposal.sponsorship.terms;
                simulation::preview(draft, &terms, gas).await?;
                self.webhook.previewed(draft, &terms, gas, is_proven).await?;
                Ok(terms)
            }
            Reserved::OverLimit(excess) => Err(proposal.over(excess)),
            Reserved::Overspent(overspent) => Err(proposal.overspent(overspent)),
        }
    }

    /// What each rule of the policy says, and each further check. Charges nothing.
    pub(super) async fn verdicts(
        &self,
        draft: &DraftRequest,
        principal: Principal,
        gas: GasFields,
    ) -> Result<Vec<Verdict>, RelayError> {
        const NO_TERMS: &str = "the operation is refused under any policy";
        let is_proven = principal.is_proven();
        let (mut verdicts, quote) = self.quoter.survey(draft, gas, is_proven).await?;
        let Some(quote) = quote else {
            let checks = [TEE, RESERVATIONS].into_iter().chain(checks_by_others(draft));
            verdicts.extend(checks.map(|check| Verdict::not_evaluated(check, NO_TERMS)));
            return Ok(verdicts);
        };
        let terms = quote.terms;
        verdicts.push(Verdict::of_check(TEE, self.grants.check(draft, &terms, is_proven).await)?.0);
        let reserved = match self.proposal(draft, principal, None, quote).await {
            Ok(proposal) => match self.store.would_reserve(&proposal.sponsorship, &proposal.limits).await? {
                Reserved::OverLimit(excess) => Err(proposal.over(excess)),
                Reserved::Overspent(overspent) => Err(proposal.overspent(overspent)),
                Reserved::Recorded | Reserved::AlreadyRecorded | Reserved::KeyTaken { .. } => Ok(()),
            },
            Err(error) => Err(error),
        };
        verdicts.push(Verdict::of_check(RESERVATIONS, reserved)?.0);
        for check in checks_by_others(draft) {
            verdicts.push(match verdicts.iter().all(Verdict::has_passed) {
                true if check == SIMULATE => Verdict::of_check(check, simulation::preview(draft, &terms, gas).await)?.0,
                true => Verdict::of_check(check, self.webhook.previewed(draft, &terms, gas, is_proven).await)?.0,
                false => Verdict::not_evaluated(check, "the operation is refused without it"),
            });
        }
        Ok(verdicts)
    }

    /// The terms of the answer to another approval of an existing reservation. Counts no signing.
    pub(super) async fn terms_of_known(
        &self,
        draft: &DraftRequest,
        record: &Record,
        gas: GasFields,
        is_proven: bool,
    ) -> Result<Terms, RelayError> {
        check_policy(record, draft)?;
        let renews = needs_renewal(record, draft, draft.chain.time.now());
        let terms = match renews {
            true => self.renewed_terms(draft, record, gas, is_proven).await?,
            false => {
                self.quoter.check_minable(draft).await?;
                record.terms
            }
        };
        self.quoter.judge(draft, &terms, is_proven).await?;
        if renews || needs_signing(record, draft, &self.paymaster_signers).await? {
            check_paymaster(record, draft)?;
            self.quoter.judge_again(draft, &terms, is_proven).await?;
            self.grants.check(draft, &terms, is_proven).await?;
            let limit = self.catalogue.max_signings;
            if record.signings >= limit {
                return Err(RelayError::TooManySignings { limit });
            }
            self.paymaster_signers.check_current(&draft.chain, &draft.deployment).await?;
            simulation::preview(draft, &terms, gas).await?;
            self.webhook.previewed(draft, &terms, gas, is_proven).await?;
        }
        Ok(terms)
    }

    /// The terms of an existing reservation, with a current window.
    async fn renewed_terms(
        &self,
        draft: &DraftRequest,
        record: &Record,
        gas: GasFields,
        is_proven: bool,
    ) -> Result<Terms, RelayError> {
        check_paymaster(record, draft)?;
        let Terms { valid_until, valid_after, .. } = self.quoter.quote(draft, gas, is_proven).await?.terms;
        Ok(Terms { valid_until, valid_after, ..record.terms })
    }

    /// Quotes a request, and checks it against its policy and the relay's permissions in the TEE.
    /// Charges nothing.
    async fn propose(
        &self,
        draft: &DraftRequest,
        principal: Principal,
        idempotency_key: Option<&str>,
        gas: GasFields,
    ) -> Result<Proposal, RelayError> {
        let quote = self.quoter.quote(draft, gas, principal.is_proven()).await?;
        self.grants.check(draft, &quote.terms, principal.is_proven()).await?;
        self.proposal(draft, principal, idempotency_key, quote).await
    }

    async fn proposal(
        &self,
        draft: &DraftRequest,
        principal: Principal,
        idempotency_key: Option<&str>,
        Quote { terms, cost, deposit, block, shadowed }: Quote,
    ) -> Result<Proposal, RelayError> {
        let too_low = || RelayError::DepositTooLow { cost, deposit, reserved: Gwei::default() };
        let mut sponsorship = NewSponsorship {
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
            max_cost: Gwei::at_least(cost).ok_or_else(too_low)?,
            charges: Vec::new(),
            price: price(draft).await?,
            created_at: self.clock.now(),
            webhook: draft.policy.webhook().map(str::to_owned),
        };
        sponsorship.charges = charges(draft, &sponsorship);
        let limits = self.catalogue.policy_set().caps().limits(&sponsorship.charged(), Gwei::at_most(deposit));
        Ok(Proposal { sponsorship, limits, cost, deposit, shadowed })
    }
}

/// The checks for which the policy has others asked.
fn checks_by_others(draft: &DraftRequest) -> impl Iterator<Item = &'static str> {
    let policy = &draft.policy;
    policy.simulates().then_some(SIMULATE).into_iter().chain(policy.webhook().map(|_| WEBHOOK))
}

/// The price of the chain's coin, if a limit of the policy needs it.
async fn price(draft: &DraftRequest) -> Result<Option<u64>, RelayError> {
    match &draft.chain.price {
        Some(price) if draft.policy.limits().need_price() => Ok(Some(price.micro_usd().await?)),
        Some(_) | None => Ok(None),
    }
}

/// What a sponsorship is counted in under its policy, by the relay's own clock: limits may span
/// chains, and no caller or node chooses its window.
fn charges(draft: &DraftRequest, sponsorship: &NewSponsorship) -> Vec<Charge> {
    let NewSponsorship { deployment, terms, max_cost, price, sender, created_at, .. } = sponsorship;
    let EntryPoint { chain_id, version, .. } = deployment.entry_point;
    let gas = worst_case_gas(&draft.op, version, terms).unwrap_or(u128::MAX);
    let spender = Spender { charged: sponsorship.charged(), sender: *sender, by_server: draft.caller.is_server() };
    draft.policy.limits().charges(&spender, &Amounts { chain_id, cost: *max_cost, gas, price: *price }, *created_at)
}

impl Approved {
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

impl Proposal {
    /// The refusal for an exceeded limit of the policy on spending.
    fn overspent(&self, overspent: Overspent) -> RelayError {
        RelayError::PolicyLimitReached { policy_id: self.sponsorship.policy_id.clone(), overspent }
    }

    /// The refusal for an exceeded limit.
    fn over(&self, excess: Excess) -> RelayError {
        let Self { cost, deposit, .. } = *self;
        match excess {
            Excess::Deposit { reserved } => RelayError::DepositTooLow { cost, deposit, reserved },
            Excess::Cap { scope, rule, limit } => RelayError::TooMuchReserved { scope, rule, limit },
        }
    }
}
