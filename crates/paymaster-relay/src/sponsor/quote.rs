//! The worst-case cost and the terms of an operation, checked against the chain: the account and
//! the deposit.

use std::sync::Arc;

use proto::json::GasFields;
use proto::{Address, EntryPointVersion, Init, Terms, UserOperation, Wei, worst_case_cost};

use super::request::DraftRequest;
use super::validation::{check_account, check_fee, check_gas, check_nonce, check_paused};
use super::verdicts::{OPERATION, Verdict};
use super::window::Window;
use crate::account_code::AccountCode;
use crate::catalogue::Validity;
use crate::chain::{Facts, Now, SenderCode};
use crate::error::{OperationError, RelayError};
use crate::parts::Parts;
use crate::paymaster_signers::PaymasterSigners;
use crate::policy::{Case, Market, Standings, Violation};

/// The rule that depends on the code that a factory would leave.
const ACCOUNT_CODES: &str = "account_codes";

/// A request with a known cost.
pub(super) struct Quote {
    pub(super) terms: Terms,
    /// Maximum charge of the EntryPoint to our paymaster, in wei.
    pub(super) cost: Wei,
    /// The paymaster's deposit in the EntryPoint, in wei.
    pub(super) deposit: Wei,
    /// The latest block.
    pub(super) block: u64,
    /// The violations of rules that are in shadow.
    pub(super) shadowed: Vec<Violation>,
}

/// What a policy judges of the chain.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The contract that the sender delegates to now.
    delegate: Option<Address>,
    market: Option<Market>,
    /// The code that the sender runs; `None` if the policy does not depend on it.
    codes: Option<Vec<AccountCode>>,
}

impl Seen {
    /// Without the code of a sender that a factory would create, unless that may be run.
    async fn of(draft: &DraftRequest, facts: &Facts, runs_factory: bool) -> Result<Self, RelayError> {
        let codes = if runs_factory || !creates(&draft.op, facts) { codes(draft).await? } else { None };
        Ok(Self { delegate: current_delegate(&draft.op, facts), market: market(draft, facts).await?, codes })
    }
}

/// What was read of the chain, and of which signer.
struct Read {
    facts: Facts,
    signer: Option<Address>,
    now: Now,
}

/// Quotes requests.
pub(super) struct Quoter {
    standings: Arc<dyn Standings>,
    paymaster_signers: Arc<PaymasterSigners>,
}

impl Quoter {
    pub(super) fn new(paymaster_signers: Arc<PaymasterSigners>, parts: &Parts) -> Self {
        Self { standings: Arc::clone(&parts.standings), paymaster_signers }
    }

    /// Checks policy, terms and chain. The policy is checked first: a factory that it does not list
    /// is not run on the node. Charges nothing.
    pub(super) async fn quote(
        &self,
        draft: &DraftRequest,
        gas: GasFields,
        is_proven: bool,
    ) -> Result<Quote, RelayError> {
        let terms = open_terms(draft, gas)?;
        self.judge(draft, &terms, is_proven).await?;
        let read = self.read(draft, true).await?;
        check_account(draft, &read.facts)?;
        let seen = Seen::of(draft, &read.facts, true).await?;
        // The policy's end is compared with the chain's time too.
        if seen != Seen::default() || draft.policy.not_after().is_some() {
            self.judge_with(draft, &terms, is_proven, &seen).await?;
        }
        let shadowed = match draft.policy.has_shadow() {
            true => draft.policy.shadowed(&self.case(draft, &terms, is_proven, &seen).await?),
            false => Vec::new(),
        };
        let quote = self.fix(draft, gas, terms, &read, is_proven).await?;
        Ok(Quote { shadowed, ..quote })
    }

    /// What each rule of the policy says, and the quote unless the operation is refused under any
    /// policy. A factory is not run for an operation that the policy refuses before the chain is
    /// asked. Charges nothing.
    pub(super) async fn survey(
        &self,
        draft: &DraftRequest,
        gas: GasFields,
        is_proven: bool,
    ) -> Result<(Vec<Verdict>, Option<Quote>), RelayError> {
        let terms = open_terms(draft, gas)?;
        let runs_factory = match self.judge(draft, &terms, is_proven).await {
            Ok(()) => true,
            Err(RelayError::Policy { .. }) => false,
            Err(error) => return Err(error),
        };
        let read = self.read(draft, runs_factory).await?;
        let seen = Seen::of(draft, &read.facts, runs_factory).await?;
        let case = self.case(draft, &terms, is_proven, &seen).await?;
        let rules = draft.policy.verdicts(&case).into_iter();
        let mut verdicts: Vec<_> = rules.map(|verdict| Verdict::of_rule(draft.policy.id(), verdict)).collect();
        if !runs_factory && creates(&draft.op, &read.facts) {
            let why = "the policy refuses the operation, so its factory is not run";
            if draft.policy.restricts_code().is_some() {
                verdicts.retain(|verdict| verdict.rule != ACCOUNT_CODES);
                verdicts.push(Verdict::not_evaluated(ACCOUNT_CODES, why));
            }
            verdicts.push(Verdict::not_evaluated(OPERATION, why));
            return Ok((verdicts, None));
        }
        let quote = match check_account(draft, &read.facts) {
            Ok(()) => self.fix(draft, gas, terms, &read, is_proven).await,
            Err(error) => Err(error.into()),
        };
        let (verdict, quote) = Verdict::of_check(OPERATION, quote)?;
        verdicts.push(verdict);
        Ok((verdicts, quote))
    }

    async fn read(&self, draft: &DraftRequest, runs_factory: bool) -> Result<Read, RelayError> {
        let signer = self.paymaster_signers.current().await;
        let asker = runs_factory.then(|| draft.caller.asker());
        let facts = draft.chain.reader.facts(&draft.deployment, &draft.op, signer, asker.as_ref()).await?;
        let now = draft.chain.time.note(facts.block);
        Ok(Read { facts, signer, now })
    }

    /// Fixes the terms, if the EntryPoint would take the operation now.
    async fn fix(
        &self,
        draft: &DraftRequest,
        gas: GasFields,
        mut terms: Terms,
        Read { facts, signer, now }: &Read,
        is_proven: bool,
    ) -> Result<Quote, RelayError> {
        check_fee(&draft.op, gas, facts.base_fee)?;
        check_paused(facts)?;
        if let (Some(signer), Some(admitted)) = (*signer, facts.signer_admitted) {
            self.paymaster_signers.note(&draft.deployment, signer, admitted);
            if !admitted {
                self.paymaster_signers.check_successor(&draft.chain, &draft.deployment, signer).await?;
            }
        }
        let Window { after, until } = window(draft, &draft.validity.of(is_proven), now)?;
        (terms.valid_after, terms.valid_until) = (after, until);
        Ok(Quote {
            cost: cost(draft, &terms),
            terms,
            deposit: facts.paymaster.deposit,
            block: facts.block.number,
            shadowed: Vec::new(),
        })
    }

    /// Refuses an operation that was sponsored before and cannot be mined now, whoever approves it
    /// again. If the chain cannot answer, it is accepted.
    pub(super) async fn check_minable(&self, draft: &DraftRequest) -> Result<(), RelayError> {
        let facts = match draft.chain.reader.facts(&draft.deployment, &draft.op, None, None).await {
            Ok(facts) => facts,
            Err(error) => {
                tracing::debug!(%error, "could not read from the chain whether an operation can still be mined");
                return Ok(());
            }
        };
        draft.chain.time.note(facts.block);
        check_nonce(&draft.op, &facts)?;
        check_paused(&facts)
    }

    /// Checks a draft against its policy, with the worst-case cost of these terms.
    pub(super) async fn judge(&self, draft: &DraftRequest, terms: &Terms, proven: bool) -> Result<(), RelayError> {
        self.judge_with(draft, terms, proven, &Seen::default()).await
    }

    /// The same for an operation that is signed again on its terms, without another quote: its
    /// sender may delegate to another contract by now.
    pub(super) async fn judge_again(
        &self,
        draft: &DraftRequest,
        terms: &Terms,
        proven: bool,
    ) -> Result<(), RelayError> {
        self.judge(draft, terms, proven).await?;
        if let Some(codes) = codes(draft).await? {
            let seen = Seen { codes: Some(codes), ..Seen::default() };
            self.judge_with(draft, terms, proven, &seen).await?;
        }
        if !draft.policy.restricts_delegates() || matches!(draft.op.init, Init::Eip7702 { .. }) {
            return Ok(());
        }
        let facts = draft.chain.reader.facts(&draft.deployment, &draft.op, None, None).await?;
        draft.chain.time.note(facts.block);
        match current_delegate(&draft.op, &facts) {
            Some(delegate) => {
                let seen = Seen { delegate: Some(delegate), ..Seen::default() };
                self.judge_with(draft, terms, proven, &seen).await
            }
            None => Ok(()),
        }
    }

    async fn judge_with(
        &self,
        draft: &DraftRequest,
        terms: &Terms,
        proven: bool,
        seen: &Seen,
    ) -> Result<(), RelayError> {
        let case = self.case(draft, terms, proven, seen).await?;
        draft.policy.judge(&case).map_err(|violation| {
            // Anyone can name a sender.
            let violation = if proven { violation } else { violation.alone() };
            RelayError::Policy { policy_id: draft.policy.id().to_owned(), violation }
        })
    }

    async fn case<'a>(
        &self,
        draft: &'a DraftRequest,
        terms: &Terms,
        proven: bool,
        seen: &'a Seen,
    ) -> Result<Case<'a>, RelayError> {
        let now = draft.chain.time.now();
        Ok(Case {
            account_id: &draft.account_id,
            standing: self.standings.of_request(&draft.account_id, draft.op.sender, proven).await?,
            op: &draft.op,
            delegate: seen.delegate.or(draft.delegate_beside),
            codes: seen.codes.as_deref(),
            cost: cost(draft, terms),
            proven,
            version: draft.deployment.entry_point.version,
            origin: draft.caller.origin(),
            api_key: draft.caller.key_id(),
            now,
            until: terms.valid_until.max(draft.validity.needed(now)),
            market: seen.market,
        })
    }
}

/// The terms without a window.
fn open_terms(draft: &DraftRequest, gas: GasFields) -> Result<Terms, OperationError> {
    check_gas(&draft.op, gas)?;
    Ok(Terms {
        paymaster: draft.deployment.paymaster,
        verification_gas_limit: verification_gas(draft)?,
        post_op_gas_limit: 0,
        valid_until: 0,
        valid_after: 0,
    })
}

/// Whether the operation's factory would be run.
fn creates(op: &UserOperation, facts: &Facts) -> bool {
    matches!(op.init, Init::Factory { .. }) && facts.sender_code == SenderCode::Absent
}

/// The code that the sender runs, if the policy depends on it.
async fn codes(draft: &DraftRequest) -> Result<Option<Vec<AccountCode>>, RelayError> {
    let Some(proxies) = draft.policy.restricts_code() else { return Ok(None) };
    let (reader, op) = (&draft.chain.reader, (&draft.op, draft.delegate_beside));
    Ok(Some(reader.account_codes(&draft.deployment, op, proxies, &draft.caller.asker()).await?))
}

/// The contract that the sender delegates to now, unless the operation's hash names the one that it
/// will run. An authorisation beside the operation may be void, and then this one runs.
fn current_delegate(op: &UserOperation, facts: &Facts) -> Option<Address> {
    match (facts.sender_code, &op.init) {
        (SenderCode::Delegation { to }, Init::Deployed | Init::Factory { .. }) => Some(to),
        (SenderCode::Delegation { .. }, Init::Eip7702 { .. }) | (SenderCode::Absent | SenderCode::Contract, _) => None,
    }
}

/// The chain's price, if the policy compares fees with it.
async fn market(draft: &DraftRequest, facts: &Facts) -> Result<Option<Market>, RelayError> {
    if !draft.policy.compares_fees() {
        return Ok(None);
    }
    let tip = draft.chain.reader.suggested_tip(facts.block.number).await?;
    Ok(Some(Market { base_fee: facts.base_fee, tip }))
}

/// The worst-case cost under these terms; one beyond 128 bits is capped, which exceeds every
/// policy.
pub(super) fn cost(draft: &DraftRequest, terms: &Terms) -> Wei {
    worst_case_cost(&draft.op, draft.deployment.entry_point.version, terms).unwrap_or(Wei(u128::MAX))
}

/// The gas that a client echoes was used in the bundler's estimate, and on v0.9 in the user's
/// signature; zero means that the client left the choice to us.
///
/// # Errors
/// [`OperationError::PostOpGasNotNeeded`], [`OperationError::PaymasterGasOutOfRange`].
pub(super) fn verification_gas(draft: &DraftRequest) -> Result<u128, OperationError> {
    let deployment = &draft.deployment;
    let (least, most) = (deployment.min_verification_gas_limit, deployment.verification_gas_limit);
    let most = match deployment.entry_point.version {
        // Its terms have no gas.
        EntryPointVersion::V06 => most,
        EntryPointVersion::V07 | EntryPointVersion::V08 | EntryPointVersion::V09 => {
            most.max(gas_for_hashing(&draft.op))
        }
    };
    let Some(echo) = &draft.echo else {
        return Ok(most);
    };
    if echo.post_op_gas_limit != 0 {
        return Err(OperationError::PostOpGasNotNeeded { given: echo.post_op_gas_limit });
    }
    match echo.verification_gas_limit {
        0 => Ok(most),
        given if (least..=most).contains(&given) => Ok(given),
        given => Err(OperationError::PaymasterGasOutOfRange { least, most, given }),
    }
}

/// The gas for the paymaster's validation, with some margin, if it is dominated by hashing:
/// EntryPoint and paymaster copy callData and initCode, and the paymaster hashes them. The cost of
/// memory grows with its square (yellow paper, appendix H).
fn gas_for_hashing(op: &UserOperation) -> u128 {
    const ALL_ELSE: u128 = 30_000;
    /// Copied twice at 3 each, into fresh memory at 3 each; hashed at 6.
    const EACH_WORD: u128 = 18;
    /// The square of the words is divided by this, for each of the two memories.
    const SQUARE_OVER: u128 = 512;
    let init = match &op.init {
        Init::Deployed => 0,
        Init::Factory { data, .. } | Init::Eip7702 { data, .. } => data.len(),
    };
    let words = u128::try_from((op.call_data.len() + init).div_ceil(32)).unwrap_or(u128::MAX);
    let square = words.saturating_mul(words).saturating_mul(2) / SQUARE_OVER;
    words.saturating_mul(EACH_WORD).saturating_add(square).saturating_add(ALL_ELSE)
}

/// On v0.9 the user may have signed already: the hash covers the window, but not the paymaster's
/// signature. A window of ours that a fresh request could still get is kept.
fn window(draft: &DraftRequest, validity: &Validity, now: &Now) -> Result<Window, RelayError> {
    let echoed = match (&draft.echo, draft.deployment.entry_point.version) {
        (Some(paymaster), EntryPointVersion::V09) => Terms::window_from(&paymaster.data),
        _ => None,
    };
    echoed
        .map(|(until, after)| Window { after, until })
        .filter(|window| window.still_suits(validity, now))
        .map_or_else(|| Window::of(validity, now), Ok)
}
