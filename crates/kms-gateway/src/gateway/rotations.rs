//! Rate-limits what a relay key may do by itself: naming its successor. A stolen key could name one
//! after another, each taking a turn among the admin's commands and two durable writes; its
//! revocation waits for at most one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{GatewayError, Inner};

/// Rotations without the admin's signature.
pub(super) struct Rotations {
    /// Seconds between two rotations of one record.
    interval: u64,
    last: Arc<Mutex<Last>>,
}

/// When each record was last rotated, in Unix seconds; entries older than the interval are dropped.
type Last = HashMap<u64, u64>;

/// The only rotation in progress, until dropped.
pub(super) struct RotationTurn {
    last: OwnedMutexGuard<Last>,
    record: u64,
}

impl Rotations {
    pub(super) fn new(interval: u64) -> Self {
        Self { interval, last: Arc::default() }
    }
}

impl RotationTurn {
    /// Called after a command without effect: another rotation of that record may follow.
    pub(super) fn give_back(mut self) {
        self.last.remove(&self.record);
    }
}

impl Inner {
    /// Waits until no other rotation is in progress, at most as long as for the TEE, and checks the
    /// time since the record's last one against the interval.
    pub(super) async fn rotation_turn(&self, record: u64) -> Result<RotationTurn, GatewayError> {
        let Rotations { interval, last } = &self.rotations;
        let mut last = match Arc::clone(last).try_lock_owned() {
            Ok(last) => last,
            // The one in progress may be the one the TEE is stuck on.
            Err(_) if self.tee.queue_stats().breaker_open => return Err(GatewayError::TeeBusyBefore),
            Err(_) => {
                let waited = Duration::from_secs(self.settings.tee_timeout_seconds);
                let turn = tokio::time::timeout(waited, Arc::clone(last).lock_owned()).await;
                turn.map_err(|_| GatewayError::TeeBusyInTurn { limit: "1 rotation", waited })?
            }
        };
        let now = self.clock.now();
        // A time in the future was taken before the clock was set back.
        last.retain(|_, at| *at <= now && now - *at < *interval);
        if let Some(at) = last.get(&record) {
            let retry_after_seconds = at.saturating_add(*interval).saturating_sub(now).max(1);
            return Err(GatewayError::RotationTooSoon { interval_seconds: *interval, retry_after_seconds });
        }
        last.insert(record, now);
        Ok(RotationTurn { last, record })
    }
}
