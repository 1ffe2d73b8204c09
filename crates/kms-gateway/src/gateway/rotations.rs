//! Rations what a relay key may have done by itself: naming its successor. A stolen key could name
//! one after another, and each takes a turn among the admin's commands and two durable writes; the
//! revocation of it waits for one at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{GatewayError, Inner};

/// Rotations that no admin signed.
pub(super) struct Rotations {
    /// Seconds between two of one record.
    interval: u64,
    last: Arc<Mutex<Last>>,
}

/// When each record was rotated, in Unix seconds; those of longer ago than the interval are left
/// out.
type Last = HashMap<u64, u64>;

/// The only rotation under way, until it is dropped.
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
    /// After a command that had no effect: another one of that record may follow.
    pub(super) fn give_back(mut self) {
        self.last.remove(&self.record);
    }
}

impl Inner {
    /// Waits until no other rotation is under way, as long as for the TEE, and holds the record's
    /// last one against the interval.
    pub(super) async fn rotation_turn(&self, record: u64) -> Result<RotationTurn, GatewayError> {
        let Rotations { interval, last } = &self.rotations;
        let mut last = match Arc::clone(last).try_lock_owned() {
            Ok(last) => last,
            // The one under way may be what the TEE is stuck with.
            Err(_) if self.tee.queue_stats().breaker_open => return Err(GatewayError::TeeBusyBefore),
            Err(_) => {
                let waited = Duration::from_secs(self.settings.tee_timeout_seconds);
                let turn = tokio::time::timeout(waited, Arc::clone(last).lock_owned()).await;
                turn.map_err(|_| GatewayError::TeeBusyInTurn { limit: "1 rotation", waited })?
            }
        };
        let now = self.clock.now();
        // One in the future is of a clock that was set back since.
        last.retain(|_, at| *at <= now && now - *at < *interval);
        if let Some(at) = last.get(&record) {
            let retry_after_seconds = at.saturating_add(*interval).saturating_sub(now).max(1);
            return Err(GatewayError::RotationTooSoon { interval_seconds: *interval, retry_after_seconds });
        }
        last.insert(record, now);
        Ok(RotationTurn { last, record })
    }
}
