//! A decision and its audit row: there is no yes without a row, and a caller who hangs up stops neither. A refusal has a row
//! once somebody is known who asked with authority; what anyone may send is counted, so that a flood does not fill the disk.

use std::future::Future;

use proto::{AccountId, Address, UserOpHash};
use tracing::Instrument;

use super::{Caller, GatewayError, Inner};
use crate::store::{Action, AuditRecord, Counters, Decision, NonceClaim};
use crate::text::shortened;

/// What is known of a decision while it is made.
pub(super) struct Case {
    pub action: Action,
    pub caller: Caller,
    pub account_id: Option<AccountId>,
    pub signer: Option<Address>,
    pub user_op_hash: Option<UserOpHash>,
    pub claimed_nonce: Option<NonceClaim>,
    pub counters: Option<Counters>,
    /// Whether the caller has shown a key that may ask for it: the admin's, or an authorised relay's.
    pub is_authorised: bool,
    /// Whether it repeats what was decided and recorded before.
    pub is_repeated: bool,
    /// Whether it may have been done though there is no yes.
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
            counters: None,
            is_authorised: false,
            is_repeated: false,
            is_in_doubt: false,
        }
    }
}

/// Runs a decision on a task of its own: a client that goes away after the TEE has signed does not take the audit row
/// with it.
pub(super) async fn detached<T: Send + 'static>(
    decision: impl Future<Output = Result<T, GatewayError>> + Send + 'static,
) -> Result<T, GatewayError> {
    tokio::spawn(decision.in_current_span()).await.unwrap_or(Err(GatewayError::Internal))
}

impl Inner {
    /// Counts and logs what was decided. A refusal of what anyone may send has a line within a ration.
    pub(super) fn count<T>(
        &self,
        action: Action,
        is_authorised: bool,
        outcome: &Result<T, GatewayError>,
    ) -> &'static str {
        let reason = outcome.as_ref().map_or_else(GatewayError::code, |_| "ok");
        self.metrics.decided(action.as_str(), reason);
        if let Err(error) = outcome
            && (is_authorised || self.refusals_log.admits_line())
        {
            // As a debug string: what the caller made up must not break out of its line.
            tracing::info!(action = action.as_str(), reason, error = ?shortened(error.to_string()), "refused");
        }
        reason
    }

    /// Records the decision, and only then gives it. What may be tried again gets its nonce back: sent again as it is, it
    /// must not look like a replay.
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
            tracing::warn!(%error, "a nonce stays claimed");
        }
        recorded
    }

    async fn record<T>(&self, case: Case, outcome: &Result<T, GatewayError>) -> Result<(), GatewayError> {
        let reason = self.count(case.action, case.is_authorised, outcome);
        if case.is_repeated || outcome.is_err() && !case.is_authorised {
            return Ok(());
        }
        let decision = match outcome {
            Ok(_) => Decision::Allowed,
            Err(_) if case.is_in_doubt => Decision::Unknown,
            Err(_) => Decision::Refused,
        };
        let record = AuditRecord {
            at: self.clock.now(),
            request_id: case.caller.request_id,
            action: case.action,
            account_id: case.account_id,
            signer: case.signer,
            user_op_hash: case.user_op_hash,
            context_hash: case.caller.context_hash,
            counters: case.counters,
            decision,
            reason,
        };
        Ok(self.store.append_audit(record).await?)
    }
}
