//! The TEE counts the admin commands that took effect, and the audit has a row for each that the
//! gateway heard of. Where the two differ, because an answer was lost or the gateway was killed,
//! the audit is told.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use breaker::OutageLog;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::decision::detached;
use super::{Gateway, GatewayError, Inner};
use crate::store::{Action, AuditRecord, Counters, Decision};

/// What notices outages here.
const WATCH: &str = "the last request";

/// Whether the audit is where the TEE's counter is.
pub(super) struct AdminCounter {
    /// Held while an admin command is under way.
    agreement: Arc<Mutex<Agreement>>,
    log: OutageLog,
}

/// Sessions that were lost before the two were compared, if they were and no command has been in
/// doubt since.
#[derive(Default)]
pub(super) struct Agreement(Option<u64>);

impl Default for AdminCounter {
    fn default() -> Self {
        Self { agreement: Arc::default(), log: OutageLog::new("comparing the admin counter with the audit") }
    }
}

impl Agreement {
    /// Until the command that begins now has its row, the two may differ.
    pub(super) fn suspend(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl Gateway {
    /// Compares the TEE's counter with the audit, if that is due, which it is not while a command
    /// is under way. The comparison completes even if its caller is gone; failures are logged.
    pub async fn watch_admin_counter(&self) {
        let reopened = self.queue_stats().reopened;
        let Ok(mut agreement) = Arc::clone(&self.inner.admin_counter.agreement).try_lock_owned() else { return };
        if agreement.0 == Some(reopened) {
            // A command has compared them meanwhile.
            self.inner.admin_counter.log.worked(WATCH);
            return;
        }
        let inner = Arc::clone(&self.inner);
        let compared = detached(async move { inner.compare_admin_counter(&mut agreement).await }).await;
        match compared {
            Ok(()) => self.inner.admin_counter.log.worked(WATCH),
            Err(error) => self.inner.admin_counter.log.failed(WATCH, error),
        }
    }
}

impl Inner {
    /// Waits until no other admin command is under way, as long as for the TEE.
    pub(super) async fn admin_turn(&self) -> Result<OwnedMutexGuard<Agreement>, GatewayError> {
        let agreement = &self.admin_counter.agreement;
        match Arc::clone(agreement).try_lock_owned() {
            Ok(turn) => Ok(turn),
            // The one under way may be what the TEE is stuck with.
            Err(_) if self.tee.queue_stats().breaker_open => Err(GatewayError::TeeBusyBefore),
            Err(_) => {
                let waited = Duration::from_secs(self.settings.tee_timeout_seconds);
                let turn = tokio::time::timeout(waited, Arc::clone(agreement).lock_owned()).await;
                turn.map_err(|_| GatewayError::TeeBusyInTurn { limit: "1 admin command", waited })
            }
        }
    }

    /// Writes a row when the TEE's counter is not where the audit left it. Asks only after a start,
    /// after a session was lost, and after a command of doubtful effect.
    pub(super) async fn compare_admin_counter(&self, agreement: &mut Agreement) -> Result<(), GatewayError> {
        let reopened = self.tee.queue_stats().reopened;
        if agreement.0 == Some(reopened) {
            return Ok(());
        }
        // As of after the last command: what it says of before one is not kept.
        let seen = self.known.recent_security_state(&self.tee).await?.counter;
        let audited = self.store.audited_admin_counter().await?;
        let difference = match seen.cmp(&audited) {
            Ordering::Equal => None,
            Ordering::Greater => Some(("applied_without_reply", audited.saturating_add(1))),
            Ordering::Less => Some(("rolled_back", audited)),
        };
        if let Some((reason, from)) = difference {
            tracing::warn!(audited, seen, reason, "the TEE's admin counter is not where the audit left it");
            self.metrics.decided(Action::AdminCounter.as_str(), reason);
            let record = AuditRecord {
                at: self.clock.now(),
                request_id: Uuid::new_v4().to_string(),
                action: Action::AdminCounter,
                account_id: None,
                signer: None,
                user_op_hash: None,
                context_hash: None,
                counters: Some(Counters { from, to: seen }),
                left_out: 0,
                decision: Decision::Observed,
                reason,
            };
            self.store.append_audit(record).await?;
        }
        agreement.0 = Some(reopened);
        Ok(())
    }
}
