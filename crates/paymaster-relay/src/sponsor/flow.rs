//! The whole cycle of a sponsorship: claim, quote, judge, reserve, sign, check, record, answer.
//!
//! The intent is on the disk before anything is signed and the signatures are before they leave, so a crash between any
//! two steps repeats no charge: the same request again continues where the last one ended.

use std::time::{Duration, Instant};

use proto::command::{RelayApproval, Sponsor, SponsorReply};
use proto::paymaster::paymaster_digest;
use proto::{EntryPoint, Hash, Paymaster, Signature, Status, Terms};
use uuid::Uuid;

use super::approve::{Approval, Approved, check_policy, needs_renewal};
use super::attribute::{Attributed, attribute};
use super::gesture;
use super::quote::{judge, verification_gas};
use super::request::{DraftRequest, SponsorRequest};
use crate::error::RelayError;
use crate::metrics::Stage;
use crate::nonce::Claim;
use crate::relay::Relay;
use crate::relay_key::Lease;
use crate::secp256k1;
use crate::store::{KeySpace, KeyUse, Record, Signed};

/// Seconds a claim outlives the longest window, so that it never ends before the sponsorship does.
const CLAIM_MARGIN: u64 = 60;
/// Whose turn an intent is.
struct Claimed {
    key: [u8; 32],
    holder: String,
    is_fresh: bool,
}

/// What comes after looking into the books.
enum Step {
    Answered(Box<Sponsored>),
    ToSign(Box<Approved>),
}

const UNSIGNED: Signature = Signature { r: [0; 32], s: [0; 32], v: 0 };

/// A sponsored operation, as the EntryPoint takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sponsored {
    /// Where it goes.
    pub entry_point: EntryPoint,
    /// On what terms.
    pub terms: Terms,
    /// The paymaster fields with the signature in them.
    pub paymaster: Paymaster,
    /// What was signed.
    pub signed: Signed,
}

impl Relay {
    /// Sponsors an operation, or says why not. The same request gives the same bytes and is charged once.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn sponsor(&self, request: SponsorRequest) -> Result<Sponsored, RelayError> {
        let request = attribute(self, request).await?;
        // A stored answer has other fields than those, and must not hide that they are wrong.
        verification_gas(&request.request.draft)?;
        let _turn = self.turns.take(request.key()).await.ok_or(RelayError::InFlight)?;
        self.check_idempotency_key(&request).await?;

        let claim = self.timed(Stage::Claim, self.claim(&request)).await?;
        let known = if claim.is_fresh { None } else { self.known(&request).await? };
        let step = match known {
            Some(record) => self.go_on(request, record).await?,
            None => self.begin(request, &claim).await?,
        };
        match step {
            Step::Answered(sponsored) => Ok(*sponsored),
            Step::ToSign(approved) => self.sign(approved, &claim).await,
        }
    }

    async fn begin(&self, request: Attributed, claim: &Claimed) -> Result<Step, RelayError> {
        match self.timed(Stage::Approve, Approved::decide(self, request)).await {
            Ok(Approval::New(approved)) => Ok(Step::ToSign(approved)),
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

    /// The same approval gets the same answer, and so does another one of the same intent while the window is long enough:
    /// what was signed depends on the operation, its terms and the paymaster key alone. Then the window is renewed. What has
    /// no signature yet, or one of a paymaster key that is retired, is signed on its terms. What no passkey approved is approved
    /// anew by each request: no gesture is spent by another window.
    async fn go_on(&self, request: Attributed, record: Record) -> Result<Step, RelayError> {
        check_policy(&record, &request.request.draft)?;
        let draft = &request.request.draft;
        let is_answer = answers(&record, &request);
        let is_over = !record.state.is_mined() && record.terms.valid_until < self.now();
        let is_kept = is_answer && (record.state.is_mined() || request.principal().is_proven());
        if is_over || !is_kept && needs_renewal(self, &record, draft) {
            return Approved::renew(self, request, record).await.map(Step::ToSign);
        }
        // What was mined is over, whoever signed it.
        let stands = record.state.is_mined() || !self.needs_signing(&record, draft).await?;
        let Some(signed) = record.signed.clone().filter(|_| stands) else {
            return Approved::resume(self, request, record).await.map(Step::ToSign);
        };
        if !is_answer {
            judge(self, draft, &record.terms, request.principal().is_proven())?;
        }
        Ok(Step::Answered(Box::new(build(draft.deployment.entry_point, record.terms, signed))))
    }

    /// Whether a sponsorship whose window is long enough is signed once more before it is an answer: what was signed is not
    /// there, or by a key that is outdated.
    ///
    /// # Errors
    /// [`RelayError::PaymasterSignerNotAdmitted`]: signed once more, it would be no better.
    pub(super) async fn needs_signing(&self, record: &Record, draft: &DraftRequest) -> Result<bool, RelayError> {
        match &record.signed {
            // Of a paymaster that was replaced nothing is signed again: what there is stands until its window is over.
            Some(_) if record.terms.paymaster != draft.deployment.paymaster => Ok(false),
            Some(signed) => self.paymaster_signers.is_outdated(&draft.deployment, signed.paymaster_signer).await,
            None => Ok(true),
        }
    }

    /// The living sponsorship of the same intent. One that was mined only ever answers its own request: for another
    /// approval it is as if there were none, and the account's nonce decides.
    async fn known(&self, request: &Attributed) -> Result<Option<Record>, RelayError> {
        let record = self.store.find(&request.request.intent, request.principal(), self.now()).await?;
        Ok(record.filter(|record| !record.state.is_mined() || answers(record, request)))
    }

    /// Whether the idempotency key stands for another request.
    async fn check_idempotency_key(&self, attributed: &Attributed) -> Result<(), RelayError> {
        let (request, principal) = (&attributed.request, attributed.principal());
        let Some(key) = &request.idempotency_key else {
            return Ok(());
        };
        let space = KeySpace::of(principal, request.draft.is_vouched(principal), &request.draft.op.sender);
        match self.store.use_of_key(&space, key).await? {
            Some(KeyUse { intent, is_mined }) if intent != request.intent => {
                Err(RelayError::IdempotencyConflict { is_mined })
            }
            _ => Ok(()),
        }
    }

    async fn claim(&self, request: &Attributed) -> Result<Claimed, RelayError> {
        let ttl = Duration::from_secs(self.catalogue.validity.most.saturating_add(CLAIM_MARGIN));
        let holder = Uuid::new_v4().to_string();
        let key = request.key();
        Ok(match self.nonces.claim(&key, &holder, ttl).await? {
            Claim::Fresh => Claimed { key, holder, is_fresh: true },
            Claim::Held { holder } => Claimed { key, holder, is_fresh: false },
        })
    }

    async fn unclaim(&self, claim: &Claimed) {
        // A claim that stays only costs the next request a look into the store.
        if let Err(error) = self.nonces.release(&claim.key, &claim.holder).await {
            tracing::warn!(%error, "a claim could not be given back");
        }
    }

    /// Uses the approval up: whatever comes of it, nothing is signed with it again.
    async fn sign(&self, approved: Box<Approved>, claim: &Claimed) -> Result<Sponsored, RelayError> {
        let signing = Instant::now();
        let outcome = self.ask_kms(&approved).await;
        self.metrics.stage(Stage::Sign, signing.elapsed());
        let (command, reply) = match outcome {
            Ok(answer) => answer,
            Err(error @ RelayError::KmsUnavailable { in_doubt: true, .. }) => return Err(error),
            Err(error) => {
                let request = approved.request();
                if let (Some(passkey), Some(status)) = (&request.passkey, error.refusal_of_the_passkey()) {
                    self.refusals.note(&request.draft.account_id, gesture::signed_hash(passkey), status, self.now());
                }
                return self.give_back(&approved, claim, error).await;
            }
        };
        if let Err(error) = self.check_paymaster(&command, &reply).await {
            return self.give_back(&approved, claim, error).await;
        }
        // The paymaster signed, and whoever forwarded the reply can have that mined: it stays reserved whatever else is wrong.
        self.check_account(&command, &reply).await?;
        // What the contract refuses cannot be mined.
        let deployment = &approved.request().draft.deployment;
        if let Err(error) = self.paymaster_signers.check(deployment, reply.paymaster_signer).await {
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
        let recorded = self.timed(Stage::Record, recording).await?;
        if !recorded {
            return Err(RelayError::InFlight);
        }
        Ok(build(command.entry_point, *approved.terms(), signed))
    }

    /// Nothing was signed, or nothing that the contract takes: such a request must not hold the deposit, or anyone could tie it
    /// up with approvals that are worth nothing. What was signed before stays reserved.
    async fn give_back<T>(&self, approved: &Approved, claim: &Claimed, error: RelayError) -> Result<T, RelayError> {
        if self.store.release(approved.reservation()).await? {
            self.unclaim(claim).await;
        }
        Err(error)
    }

    async fn ask_kms(&self, approved: &Approved) -> Result<(Sponsor, SponsorReply), RelayError> {
        match self.ask_kms_once(approved).await {
            // A rotation whose end was not heard of may have put another key in the place of ours.
            Err(error) if error.is_kms_refusal(Status::SignerNotAuthorised) && self.relay_key.is_unresolved() => {
                if let Err(unresolved) = self.relay_key.resolve().await {
                    tracing::warn!(error = %unresolved, "the relay key is unresolved");
                }
                self.ask_kms_once(approved).await
            }
            // The policy allows it, and the client did nothing wrong.
            Err(error) if error.is_kms_refusal(Status::PasskeyMissing) && approved.request().passkey.is_none() => {
                Err(RelayError::WithoutPasskeyNotPermitted)
            }
            outcome => outcome,
        }
    }

    /// The lease lasts until the answer is there: a rotation waits for it.
    async fn ask_kms_once(&self, approved: &Approved) -> Result<(Sponsor, SponsorReply), RelayError> {
        let lease = self.relay_key.lease().await;
        let command = self.command(approved, &lease)?;
        let reply = self.kms.sponsor(&command, &approved.request().request_id).await?;
        Ok((command, reply))
    }

    fn command(&self, approved: &Approved, lease: &Lease<'_>) -> Result<Sponsor, RelayError> {
        let request = approved.request();
        let mut nonce = [0; 8];
        self.entropy.fill(&mut nonce)?;
        let mut command = Sponsor {
            entry_point: request.draft.deployment.entry_point,
            account_id: request.draft.account_id.clone(),
            op: request.draft.op.clone(),
            terms: *approved.terms(),
            passkey: request.passkey.clone(),
            approval: RelayApproval {
                nonce: u64::from_be_bytes(nonce),
                timestamp: self.clock.now(),
                signature: UNSIGNED,
            },
        };
        command.approval.signature = lease.approve(&command.request_digest());
        Ok(command)
    }

    /// The gateway looked at the reply already; it may be a remote one, so we look again: whether the paymaster signed this.
    async fn check_paymaster(&self, command: &Sponsor, reply: &SponsorReply) -> Result<(), RelayError> {
        let digest = paymaster_digest(&command.op, &command.entry_point, &command.terms);
        if secp256k1::recover(&Hash(digest.0), &reply.paymaster_signature) != Some(reply.paymaster_signer) {
            return wrong("the paymaster's signature does not match");
        }
        if !self.paymaster_signers.is_ours(reply.paymaster_signer).await? {
            return wrong("another key signed for the paymaster");
        }
        Ok(())
    }

    /// The rest of the reply: what was signed, and the account's signature over it.
    async fn check_account(&self, command: &Sponsor, reply: &SponsorReply) -> Result<(), RelayError> {
        if reply.user_op_hash != command.final_op(&reply.paymaster_signature).hash(&command.entry_point) {
            return wrong("userOpHash does not match");
        }
        match (&command.passkey, &reply.account_signature) {
            (Some(_), Some(signature)) => {
                let wallet = self.wallets.of(&command.account_id).await?;
                let digest = wallet.signature_scheme.digest(&reply.user_op_hash);
                if secp256k1::recover(&digest, signature) != Some(wallet.owner) {
                    return wrong("the account's signature is not its owner's");
                }
                Ok(())
            }
            (None, None) => Ok(()),
            _ => wrong("the account's signature is missing, or there without a passkey"),
        }
    }
}

fn wrong(detail: &'static str) -> Result<(), RelayError> {
    Err(RelayError::KmsReplyInvalid { detail })
}

/// Whether a record is the whole answer to a request: the same approval of the same intent.
fn answers(record: &Record, request: &Attributed) -> bool {
    let approval = request.request.user_signature_hash;
    record.signed.as_ref().is_some_and(|signed| signed.user_signature_hash == approval)
}

fn build(entry_point: EntryPoint, terms: Terms, signed: Signed) -> Sponsored {
    Sponsored { entry_point, terms, paymaster: terms.signed(entry_point.version, &signed.paymaster_signature), signed }
}
