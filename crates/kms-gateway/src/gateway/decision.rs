//! A decision and its audit row: nothing is allowed without a row, and a caller that hangs up
//! interrupts neither. A refusal has a row only if the caller is known to have authority; requests
//! that anyone may send are counted, and refusals of an authorised relay key are rate-limited, so
//! that a flood does not fill the disk.

use std::future::Future;

use proto::{AccountId, Address, UserOpHash};
use tracing::Instrument;

use super::{Caller, GatewayError, Inner};
use crate::store::{Action, AuditRecord, Claim, Counters, Decision, NonceClaim};
use crate::text::shortened;

/// The reason of what was not refused.
pub(super) const OK: &str = "ok";

/// The authority behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// None known: anyone may have sent it. A refusal has no row.
    Anyone,
    /// An authorised relay key. Its refusals are rate-limited.
    RelayKey {
        /// The key's record, which survives a rotation.
        record: u64,
    },
    /// The admin, a permission to create an account, or a message within its account's ration: the
    /// number of such requests is limited already.
    Counted,
}

/// The facts about a decision in progress.
pub(super) struct Case {
    pub action: Action,
    pub caller: Caller,
    pub account_id: Option<AccountId>,
    pub signer: Option<Address>,
    pub user_op_hash: Option<UserOpHash>,
    pub claimed_nonce: Option<NonceClaim>,
    /// The nonce that is claimed with the row, if it is allowed.
    pub nonce_of_row: Option<NonceClaim>,
    pub counters: Option<Counters>,
    /// The authority that the caller has shown so far.
    pub authority: Authority,
    /// Whether it repeats an earlier decision that was recorded.
    pub is_repeated: bool,
    /// Whether its row was written with its effect.
    pub has_row: bool,
    /// Whether it may have taken effect although it was not allowed.
    pub is_in_doubt: bool,
}

impl Case {
    pub(super) fn new(action: Action, caller: &Caller) -> Self {
        Self {
            action,
            caller: caller.clone(),
            account_id: None,
            signer: None,
            user_op_hash: None,
            claimed_nonce: None,
            nonce_of_row: None,
            counters: None,
            authority: Authority::Anyone,
            is_repeated: false,
            has_row: false,
            is_in_doubt: false,
        }
    }

    /// Its row in the audit.
    pub(super) fn row(&self, at: u64, decision: Decision, reason: &'static str, left_out: u64) -> AuditRecord {
        AuditRecord {
            at,
            request_id: self.caller.request_id.clone(),
            action: self.action,
            account_id: self.account_id.clone(),
            signer: self.signer,
            user_op_hash: self.user_op_hash,
            context_hash: self.caller.context_hash,
            counters: self.counters,
            left_out,
            decision,
            reason,
        }
    }
}

/// Runs a decision in its own task: a client that hangs up after the TEE has signed does not
/// prevent the audit row.
pub(super) async fn detached<T: Send + 'static>(
    decision: impl Future<Output = Result<T, GatewayError>> + Send + 'static,
) -> Result<T, GatewayError> {
    tokio::spawn(decision.in_current_span()).await.unwrap_or(Err(GatewayError::Internal))
}

impl Inner {
    /// Counts a decision about a request that anyone may send. A refusal gets a log line,
    /// rate-limited.
    pub(super) fn count<T>(&self, action: Action, outcome: &Result<T, GatewayError>) {
        let reason = self.counted(action, outcome);
        if let Err(error) = outcome
            && self.refusals_log.admits_line()
        {
            log(action, reason, error);
        }
    }

    fn counted<T>(&self, action: Action, outcome: &Result<T, GatewayError>) -> &'static str {
        let reason = outcome.as_ref().map_or_else(|error| error.reason().as_str(), |_| OK);
        self.metrics.decided(action.as_str(), reason);
        reason
    }

    /// Records the decision, and only then returns it. A retryable request gets its nonce back:
    /// sent again unchanged, it must not look like a replay.
    pub(super) async fn conclude<T>(&self, case: Case, outcome: Result<T, GatewayError>) -> Result<T, GatewayError> {
        let claimed_nonce = case.claimed_nonce;
        let recorded = match self.record(case, &outcome).await {
            Ok(()) => outcome,
            Err(error) => Err(error),
        };
        if let (Err(error), Some(claim)) = (&recorded, claimed_nonce)
            && error.is_retryable()
            && let Err(error) = self.store.release_nonce(claim).await
        {
            tracing::warn!(%error, "could not release a nonce");
        }
        recorded
    }

    async fn record<T>(&self, case: Case, outcome: &Result<T, GatewayError>) -> Result<(), GatewayError> {
        if case.authority == Authority::Anyone && outcome.is_err() {
            self.count(case.action, outcome);
            return Ok(());
        }
        let reason = self.counted(case.action, outcome);
        let decision = match outcome {
            Ok(_) => Decision::Allowed,
            Err(_) if case.is_in_doubt => Decision::Unknown,
            Err(_) => Decision::Refused,
        };
        let now = self.clock.now();
        let left_out = match (case.authority, decision) {
            (Authority::RelayKey { record }, Decision::Refused) => self.refusal_ration.take(record, now),
            (Authority::RelayKey { record }, _) => Some(self.refusal_ration.left_out(record)),
            _ => Some(0),
        };
        let Some(left_out) = left_out else { return Ok(()) };
        if let Err(error) = outcome {
            log(case.action, reason, error);
        }
        if case.is_repeated || case.has_row {
            self.not_told(case.authority, left_out);
            return Ok(());
        }
        if left_out > 0 {
            tracing::info!(left_out, signer = ?case.signer, "suppressed refusals of this relay key in audit and log");
        }
        let authority = case.authority;
        let row = case.row(now, decision, reason, left_out);
        let written = match case.nonce_of_row.filter(|_| decision == Decision::Allowed) {
            Some(claim) => self.store.append_audit_with_nonce(row, claim).await,
            None => self.store.append_audit(row).await.map(|()| Claim::Fresh),
        };
        if written.is_err() {
            // A refusal whose own row failed counts as one more suppressed.
            self.not_told(authority, left_out + u64::from(decision == Decision::Refused));
        }
        match written? {
            Claim::Fresh => Ok(()),
            Claim::Replayed => Err(GatewayError::NonceReplayed),
        }
    }

    fn not_told(&self, authority: Authority, left_out: u64) {
        if let Authority::RelayKey { record } = authority {
            self.refusal_ration.not_told(record, left_out);
        }
    }
}

fn log(action: Action, reason: &str, error: &GatewayError) {
    // As a debug string: caller-controlled text must not break out of its line.
    tracing::info!(action = action.as_str(), reason, error = ?shortened(error.to_string()), "refused");
}
