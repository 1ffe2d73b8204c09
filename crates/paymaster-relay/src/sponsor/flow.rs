//! The whole cycle of a sponsorship: claim, quote, judge, reserve, sign, check, record, answer.
//!
//! The intent is on disk before anything is signed, and the signatures are before they are
//! returned, so a crash between any two steps repeats no charge: repeating the request continues
//! where the last one ended.

use std::sync::Arc;
use std::time::Duration;

use proto::json::GasFields;
use proto::{AccountId, EntryPoint, Paymaster, Terms};
use uuid::Uuid;

use super::account::AccountInfo;
use super::approve::{Approval, Approved, Approver};
use super::attribute::{Attributed, Attribution};
use super::gesture;
use super::intent::Intent;
use super::known::{answers, check_policy, needs_renewal, needs_signing};
use super::preview::Previews;
use super::quote::{Quoter, verification_gas};
use super::refusals::Refusals;
use super::request::{DraftRequest, SponsorRequest};
use super::sign::Signing;
use super::stub::Stub;
use super::turn::IntentTurns;
use super::verdicts::Verdict;
use crate::catalogue::Catalogue;
use crate::chains::Chain;
use crate::claims::{Claim, ClaimStore};
use crate::error::RelayError;
use crate::kms::Wallets;
use crate::metrics::{Metrics, Stage};
use crate::parts::Parts;
use crate::paymaster_signers::PaymasterSigners;
use crate::policy::Standings;
use crate::settings::Settings;
use crate::store::{KeyNoted, KeyUse, Record, Signed, Store};

/// Seconds by which a claim outlives the longest window, so that it never ends before the
/// sponsorship.
const CLAIM_MARGIN: u64 = 60;

/// The claim of an intent.
struct Claimed {
    key: [u8; 32],
    holder: String,
    is_fresh: bool,
}

/// The next step after the store was queried.
enum Step {
    Answered(Box<Sponsored>),
    ToSign(Box<Approved>),
}

/// What a request for a known intent needs.
enum Needed {
    Nothing(Box<Sponsored>),
    /// The signatures, on the terms of the record.
    Signing,
    /// Another window, and the signatures.
    Renewal,
}

/// A sponsored operation, ready for the EntryPoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sponsored {
    /// The target EntryPoint.
    pub entry_point: EntryPoint,
    /// The terms.
    pub terms: Terms,
    /// The paymaster fields, including the signature.
    pub paymaster: Paymaster,
    /// The signed data.
    pub signed: Signed,
    /// Whether an earlier request was signed, and this is its answer again.
    pub is_repeated: bool,
}

/// Sponsors operations.
pub struct Sponsor {
    catalogue: Arc<Catalogue>,
    standings: Arc<dyn Standings>,
    store: Arc<dyn Store>,
    claims: Arc<dyn ClaimStore>,
    metrics: Arc<Metrics>,
    wallets: Arc<Wallets>,
    paymaster_signers: Arc<PaymasterSigners>,
    refusals: Arc<Refusals>,
    turns: IntentTurns,
    attribution: Attribution,
    quoter: Arc<Quoter>,
    approver: Arc<Approver>,
    signing: Signing,
    previews: Previews,
}

impl Sponsor {
    /// Makes no requests yet.
    #[must_use]
    pub fn new(settings: &Settings, parts: &Parts) -> Self {
        let Parts { catalogue, standings, store, claims, kms, clock, metrics, .. } = parts.clone();
        let signers = PaymasterSigners::new(Arc::clone(&kms), Arc::clone(&clock));
        let (signers, wallets) = (Arc::new(signers), Arc::new(Wallets::new(kms, clock)));
        let refusals = Arc::new(Refusals::new(settings.max_refusals, settings.validity_seconds));
        let quoter = Arc::new(Quoter::new(Arc::clone(&signers), parts));
        let approver = Arc::new(Approver::new(Arc::clone(&quoter), Arc::clone(&signers), parts));
        Self {
            attribution: Attribution::new(Arc::clone(&wallets), Arc::clone(&refusals)),
            signing: Signing::new(Arc::clone(&wallets), Arc::clone(&signers), parts),
            previews: Previews::new(Arc::clone(&approver), Arc::clone(&wallets), Arc::clone(&refusals), parts),
            turns: IntentTurns::default(),
            paymaster_signers: signers,
            catalogue,
            standings,
            store,
            claims,
            metrics,
            wallets,
            refusals,
            quoter,
            approver,
        }
    }

    /// An account's public facts, with the policies of that chain, or of all chains.
    ///
    /// # Errors
    /// [`RelayError::KmsRefused`] as `account_unknown`; [`RelayError::KmsUnavailable`];
    /// [`RelayError::StoreUnavailable`].
    pub async fn account(&self, account_id: &AccountId, chain: Option<&Chain>) -> Result<AccountInfo, RelayError> {
        let policies = chain.map_or_else(|| self.catalogue.policies(), |chain| chain.catalogue.policies());
        Ok(AccountInfo {
            wallet: self.wallets.ask(account_id).await?,
            standing: self.standings.of(account_id).await?,
            policies,
        })
    }

    /// The intent of an operation that would be sponsored once its user has approved it. Charges
    /// nothing.
    ///
    /// # Errors
    /// The refusals of the approved request, except those about the approval or its idempotency
    /// key.
    pub async fn intent(&self, draft: &DraftRequest) -> Result<Intent, RelayError> {
        self.previews.intent(draft).await
    }

    /// Stub data for an operation that would be sponsored as far as can be determined now. Charges
    /// nothing.
    ///
    /// # Errors
    /// The refusals of the final request, except those about missing parts: gas, fees and approval.
    pub async fn stub(&self, draft: &DraftRequest) -> Result<Stub, RelayError> {
        self.previews.stub(draft).await
    }

    /// What each rule would say of the request, with its approval or before it. Charges nothing.
    ///
    /// # Errors
    /// Refusals of the request and its approval, whatever the rules; outages.
    pub async fn dry_run(&self, request: SponsorRequest) -> Result<Vec<Verdict>, RelayError> {
        if request.passkey.is_none() {
            return self.verdicts(&request.draft, GasFields::Required).await;
        }
        let attributed = self.attribution.attribute(request).await?;
        let (draft, principal) = (&attributed.request.draft, attributed.principal().clone());
        self.previews.verdicts(draft, Some(principal), GasFields::Required).await
    }

    /// What each rule would say of a draft. Charges nothing.
    ///
    /// # Errors
    /// Refusals of the draft, whatever the rules; outages.
    pub async fn verdicts(&self, draft: &DraftRequest, gas: GasFields) -> Result<Vec<Verdict>, RelayError> {
        self.previews.verdicts(draft, None, gas).await
    }

    /// Sponsors an operation, or refuses. The same request gives the same bytes and is charged
    /// once.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn sponsor(&self, request: SponsorRequest) -> Result<Sponsored, RelayError> {
        let request = self.attribution.attribute(request).await?;
        // A stored answer may differ from those fields, and must not hide that they are wrong.
        verification_gas(&request.request.draft)?;
        let _turn = self.turns.take(request.key()).await.ok_or(RelayError::InFlight)?;
        self.check_idempotency_key(&request).await?;
        if let Err(refused) = self.attribution.check_refusals(&request) {
            return self.answer_again(&request).await?.ok_or(refused);
        }

        let claim = self.metrics.timed(Stage::Claim, self.claim(&request)).await?;
        let known = if claim.is_fresh { None } else { self.known(&request).await? };
        let step = match known {
            Some(record) => self.go_on(request, record).await?,
            None => self.begin(request, &claim).await?,
        };
        match step {
            Step::Answered(sponsored) => Ok(Sponsored { is_repeated: true, ..*sponsored }),
            Step::ToSign(approved) => self.sign(approved, &claim).await,
        }
    }

    async fn begin(&self, request: Attributed, claim: &Claimed) -> Result<Step, RelayError> {
        let is_proven = request.principal().is_proven();
        match self.metrics.timed(Stage::Approve, self.approver.decide(request)).await {
            Ok(Approval::New(approved)) => match self.approver.ask_others(&approved, is_proven).await {
                Ok(()) => Ok(Step::ToSign(approved)),
                Err(error) => {
                    if !may_be_asked(&error) {
                        self.store.tell_nobody(approved.reservation()).await?;
                    }
                    self.give_back(&approved, claim, error).await
                }
            },
            Ok(Approval::Known(request)) => {
                let record = self.known(&request).await?.ok_or(RelayError::InFlight)?;
                self.go_on(*request, record).await
            }
            Err(error) => {
                self.unclaim(claim).await;
                Err(error)
            }
        }
    }

    async fn go_on(&self, request: Attributed, record: Record) -> Result<Step, RelayError> {
        match self.needed(&request, &record).await? {
            Needed::Nothing(sponsored) => Ok(Step::Answered(sponsored)),
            Needed::Signing => self.approver.resume(request, record).await.map(Step::ToSign),
            Needed::Renewal => self.approver.renew(request, record).await.map(Step::ToSign),
        }
    }

    /// The stored answer to a request whose approval the trusted application is not asked for, if
    /// there is one.
    async fn answer_again(&self, request: &Attributed) -> Result<Option<Sponsored>, RelayError> {
        let Some(record) = self.known(request).await? else { return Ok(None) };
        Ok(match self.needed(request, &record).await? {
            Needed::Nothing(sponsored) => Some(Sponsored { is_repeated: true, ..*sponsored }),
            Needed::Signing | Needed::Renewal => None,
        })
    }

    /// Repeating an approval returns the same answer, and so does another approval of the same
    /// intent while the window is long enough: the signatures depend only on the operation, its
    /// terms and the paymaster key. Otherwise the window is renewed. A record without a signature,
    /// or with one by a retired paymaster key, is signed again on its terms. Without a passkey each
    /// request is a new approval, since no gesture is spent on another window.
    async fn needed(&self, request: &Attributed, record: &Record) -> Result<Needed, RelayError> {
        let draft = &request.request.draft;
        check_policy(record, draft)?;
        self.note_idempotency_key(record, request).await?;
        let is_answer = answers(record, request);
        let now = draft.chain.time.now();
        let is_over = !record.state.is_mined() && record.terms.valid_until < now;
        let is_kept = is_answer && (record.state.is_mined() || request.principal().is_proven());
        if is_over || !is_kept && needs_renewal(record, draft, now) {
            return Ok(Needed::Renewal);
        }
        // A mined operation is complete, whichever key signed it.
        let stands = record.state.is_mined() || !needs_signing(record, draft, &self.paymaster_signers).await?;
        let Some(signed) = record.signed.clone().filter(|_| stands) else {
            return Ok(Needed::Signing);
        };
        if !is_answer {
            self.quoter.judge(draft, &record.terms, request.principal().is_proven()).await?;
        }
        Ok(Needed::Nothing(Box::new(build(draft.deployment.entry_point, record.terms, signed))))
    }

    /// The live sponsorship of the same intent. A mined one only answers its own request: for
    /// another approval it is treated as absent, and the account's nonce decides.
    async fn known(&self, request: &Attributed) -> Result<Option<Record>, RelayError> {
        let now = request.request.draft.chain.time.now();
        let record = self.store.find(&request.request.intent, request.principal(), now).await?;
        Ok(record.filter(|record| !record.state.is_mined() || answers(record, request)))
    }

    /// Whether the idempotency key belongs to another request.
    async fn check_idempotency_key(&self, attributed: &Attributed) -> Result<(), RelayError> {
        let (request, principal) = (&attributed.request, attributed.principal());
        let Some(key) = &request.idempotency_key else {
            return Ok(());
        };
        let space = request.draft.key_space(principal);
        match self.store.use_of_key(&space, key).await? {
            Some(KeyUse { intent, is_mined }) if intent != request.intent => {
                Err(RelayError::IdempotencyConflict { is_mined })
            }
            _ => Ok(()),
        }
    }

    /// Gives the request's idempotency key to the sponsorship that it continues, so that no other
    /// operation can be sponsored under that key.
    async fn note_idempotency_key(&self, record: &Record, attributed: &Attributed) -> Result<(), RelayError> {
        let (stored, given) = (&record.idempotency_key, &attributed.request.idempotency_key);
        let Some(key) = given.as_ref().filter(|_| stored != given) else {
            return Ok(());
        };
        match self.store.note_key(&record.id, key).await? {
            KeyNoted::Noted => Ok(()),
            KeyNoted::HasAnother => Err(RelayError::OtherIdempotencyKey { is_mined: record.state.is_mined() }),
            KeyNoted::Taken { is_mined } => Err(RelayError::IdempotencyConflict { is_mined }),
            KeyNoted::Released => Err(RelayError::InFlight),
        }
    }

    async fn claim(&self, request: &Attributed) -> Result<Claimed, RelayError> {
        let longest = request.request.draft.chain.catalogue.validity.most;
        let ttl = Duration::from_secs(longest.saturating_add(CLAIM_MARGIN));
        let holder = Uuid::new_v4().to_string();
        let key = request.key();
        Ok(match self.claims.claim(&key, &holder, ttl).await? {
            Claim::Fresh => Claimed { key, holder, is_fresh: true },
            Claim::Held { holder } => Claimed { key, holder, is_fresh: false },
            Claim::LeftToReservation => Claimed { key, holder, is_fresh: false },
        })
    }

    async fn unclaim(&self, claim: &Claimed) {
        // A claim that stays only costs the next request a query of the store.
        if let Err(error) = self.claims.release(&claim.key, &claim.holder).await {
            tracing::warn!(%error, "a claim could not be released");
        }
    }

    /// Consumes the approval: whatever the outcome, nothing is signed with it again.
    async fn sign(&self, approved: Box<Approved>, claim: &Claimed) -> Result<Sponsored, RelayError> {
        let outcome = self.metrics.timed(Stage::Sign, self.signing.ask_kms(&approved)).await;
        let (command, reply) = match outcome {
            Ok(answer) => answer,
            Err(error @ RelayError::KmsUnavailable { in_doubt: true, .. }) => return Err(error),
            Err(error) => {
                let request = approved.request();
                let now = request.draft.chain.time.now();
                if let (Some(passkey), Some(status)) = (&request.passkey, error.refusal_of_the_passkey()) {
                    let signed = gesture::signed_hash(passkey);
                    self.refusals.note(&request.draft.account_id, signed, status, now);
                }
                return self.give_back(&approved, claim, error).await;
            }
        };
        if let Err(error) = self.signing.check_paymaster(&command, &reply).await {
            return self.give_back(&approved, claim, error).await;
        }
        // The paymaster signed, and anyone who sees the reply could have the operation mined: it
        // stays reserved whatever else is wrong.
        self.signing.check_account(&command, &reply).await?;
        // An operation that the contract refuses cannot be mined.
        let DraftRequest { chain, deployment, .. } = &approved.request().draft;
        if let Err(error) = self.paymaster_signers.check(chain, deployment, reply.paymaster_signer).await {
            return self.give_back(&approved, claim, error).await;
        }

        let signed = Signed {
            user_signature_hash: approved.request().user_signature_hash,
            user_op_hash: reply.user_op_hash,
            paymaster_signer: reply.paymaster_signer,
            paymaster_signature: reply.paymaster_signature,
            account_signature: reply.account_signature,
            timestamp: command.approval.timestamp,
        };
        let recording = self.store.record_signed(approved.reservation(), approved.terms(), &signed);
        let recorded = self.metrics.timed(Stage::Record, recording).await?;
        if !recorded {
            return Err(RelayError::InFlight);
        }
        Ok(build(command.entry_point, *approved.terms(), signed))
    }

    /// Nothing was signed, or nothing that the contract accepts: such a request must not hold the
    /// deposit, or anyone could tie it up with worthless approvals. An operation signed before
    /// stays reserved.
    async fn give_back<T>(&self, approved: &Approved, claim: &Claimed, error: RelayError) -> Result<T, RelayError> {
        if self.store.release(approved.reservation()).await? {
            self.unclaim(claim).await;
        }
        Err(error)
    }
}

/// Whether the webhook may take the sponsorship for one that it approved, so that it is told that
/// it was released.
const fn may_be_asked(error: &RelayError) -> bool {
    matches!(error, RelayError::WebhookUnavailable { may_be_received: true, .. })
}

fn build(entry_point: EntryPoint, terms: Terms, signed: Signed) -> Sponsored {
    let paymaster = terms.signed(entry_point.version, &signed.paymaster_signature);
    Sponsored { entry_point, terms, paymaster, signed, is_repeated: false }
}
