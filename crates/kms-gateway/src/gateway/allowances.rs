//! The TEE's allowances: as last reported, and sealed exactly before the TEE is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::Status;
use proto::command::{Allowances, GetAllowances, SealAllowances};
use tokio::sync::Mutex;

use super::decision::detached;
use super::{Gateway, GatewayError};
use crate::tee::{Tee, TeeError};

/// How long a report is reused: a second for callers without authority.
const RECENT: Duration = Duration::from_secs(1);
/// Maximum duration of sealing before closing: without it a part of a chunk is lost.
const SEALING: Duration = Duration::from_secs(2);

/// The last report. `None` from a trusted application that has no allowances.
#[derive(Default)]
pub(super) struct KnownAllowances {
    /// Locked while the TEE is queried: others wait for the same answer.
    reported: Arc<Mutex<Option<Reported>>>,
    /// Incremented by every admin command.
    generation: AtomicU64,
}

struct Reported {
    at: Instant,
    generation: u64,
    lost: u64,
    allowances: Result<Option<Arc<Allowances>>, TeeError>,
}

impl KnownAllowances {
    /// Called after an admin command, whatever its outcome.
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    async fn recent(&self, tee: &Tee) -> Result<Option<Arc<Allowances>>, GatewayError> {
        let mut reported = Arc::clone(&self.reported).lock_owned().await;
        let (generation, lost) = (self.generation.load(Ordering::Relaxed), tee.queue_stats().lost);
        let is_recent =
            |kept: &&Reported| kept.at.elapsed() < RECENT && (kept.generation, kept.lost) == (generation, lost);
        if let Some(kept) = reported.as_ref().filter(is_recent) {
            return Ok(kept.allowances.clone()?);
        }
        let tee = tee.clone();
        detached(async move {
            let allowances = match tee.call(&GetAllowances).await {
                Ok(allowances) => Ok(Some(Arc::new(allowances))),
                Err(TeeError::Refused(Status::UnknownCommand)) => Ok(None),
                Err(error) => Err(error),
            };
            // A call refused by the queue cost nothing, and may be repeated.
            if !matches!(allowances, Err(TeeError::Busy(_))) {
                let at = Instant::now();
                *reported = Some(Reported { at, generation, lost, allowances: allowances.clone() });
            }
            Ok(allowances?)
        })
        .await
    }
}

impl Gateway {
    /// The allowances, at most a second old and newer than the last admin command that went through
    /// this gateway. `None` from a trusted application of an earlier version, which has none. All
    /// callers within a second cost one call.
    ///
    /// # Errors
    /// If the TEE does not answer, or did not a second ago.
    pub async fn recent_allowances(&self) -> Result<Option<Arc<Allowances>>, GatewayError> {
        let allowances = self.inner.allowances.recent(&self.inner.tee).await?;
        if let Some(allowances) = &allowances {
            self.inner.metrics.allowances(allowances);
        }
        Ok(allowances)
    }

    /// Has the exact spent amounts sealed, so that the next start of the TEE loses nothing of them.
    pub(super) async fn seal_allowances(&self) {
        match self.inner.tee.call_within(SEALING, &SealAllowances).await {
            Ok(()) | Err(TeeError::Refused(Status::UnknownCommand | Status::NotProvisioned)) => {}
            Err(error) => {
                tracing::warn!(%error, "the TEE did not seal its allowances: if it is stopped now, a part of a chunk is lost");
            }
        }
    }
}
