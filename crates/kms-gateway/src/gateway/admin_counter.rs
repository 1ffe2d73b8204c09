//! The TEE counts the admin commands that took effect, and the audit has a row for each that the
//! gateway saw. If the two differ, because an answer was lost or the gateway was killed, a row
//! records that.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use breaker::OutageLog;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::decision::detached;
use super::{Gateway, GatewayError, Inner};
use crate::store::{Action, AuditRecord, Counters, Decision};

/// The task that notices outages here.
const WATCH: &str = "the last request";

/// Whether the audit agrees with the TEE's counter.
pub(super) struct AdminCounter {
    /// Locked while an admin command is in progress.
    agreement: Arc<Mutex<Agreement>>,
    log: OutageLog,
}

/// The number of lost sessions before the two were last compared, unless they were never compared
/// or a command's effect has been unknown since.
#[derive(Default)]
pub(super) struct Agreement(Option<u64>);

impl Default for AdminCounter {
    fn default() -> Self {
        Self { agreement: Arc::default(), log: OutageLog::new("comparing the admin counter with the audit") }
    }
}

impl Agreement {
    /// From now until the current command has its row, the two may differ.
    pub(super) fn suspend(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl Gateway {
    /// Compares the TEE's counter with the audit if that is due, which is never the case while a
    /// command is in progress. The comparison completes even if its caller is gone; failures are
    /// logged.
    pub async fn watch_admin_counter(&self) {
        let reopened = self.queue_stats().reopened;
        let Ok(mut agreement) = Arc::clone(&self.inner.admin_counter.agreement).try_lock_owned() else { return };
        if agreement.0 == Some(reopened) {
            // A command has compared them in the meantime.
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
    /// Waits until no other admin command is in progress, at most as long as for the TEE.
    pub(super) async fn admin_turn(&self) -> Result<OwnedMutexGuard<Agreement>, GatewayError> {
        let agreement = &self.admin_counter.agreement;
        match Arc::clone(agreement).try_lock_owned() {
            Ok(turn) => Ok(turn),
            // The one in progress may be the one the TEE is stuck on.
            Err(_) if self.tee.queue_stats().breaker_open => Err(GatewayError::TeeBusyBefore),
            Err(_) => {
                let waited = Duration::from_secs(self.settings.tee_timeout_seconds);
                let turn = tokio::time::timeout(waited, Arc::clone(agreement).lock_owned()).await;
                turn.map_err(|_| GatewayError::TeeBusyInTurn { limit: "1 admin command", waited })
            }
        }
    }

    /// Writes a row if the TEE's counter differs from the audit. Queries the TEE only after a
    /// start, after a session was lost, and after a command with unknown effect.
    pub(super) async fn compare_admin_counter(&self, agreement: &mut Agreement) -> Result<(), GatewayError> {
        let reopened = self.tee.queue_stats().reopened;
        if agreement.0 == Some(reopened) {
            return Ok(());
        }
        // Newer than the last command: reports from before a command are not kept.
        let seen = self.known.recent_security_state(&self.tee).await?.counter;
        let audited = self.store.audited_admin_counter().await?;
        let difference = match seen.cmp(&audited) {
            Ordering::Equal => None,
            Ordering::Greater => Some(("applied_without_reply", audited.saturating_add(1))),
            Ordering::Less => Some(("rolled_back", audited)),
        };
        if let Some((reason, from)) = difference {
            tracing::warn!(audited, seen, reason, "the TEE's admin counter differs from the audit");
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
