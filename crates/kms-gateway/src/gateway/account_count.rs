//! How many accounts there are, as of some seconds ago: anybody may ask, and counting reads every
//! row.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::GatewayError;
use super::decision::detached;
use crate::store::Store;

/// Seconds that a count will do for.
const RECENT: u64 = 5;

/// The last count, and when it was made. Locked while the rows are counted: the others wait for the
/// same answer.
#[derive(Default)]
pub(super) struct AccountCount(Arc<Mutex<Option<(u64, u64)>>>);

impl AccountCount {
    /// As of [`RECENT`] seconds ago at most.
    ///
    /// # Errors
    /// [`GatewayError::StoreUnavailable`]; the next one counts.
    pub(super) async fn recent(&self, store: &Arc<dyn Store>, now: u64) -> Result<u64, GatewayError> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        let kept = *last;
        match kept {
            // A clock that was set back is no reason to keep it.
            Some((counted_at, count)) if now.abs_diff(counted_at) < RECENT => Ok(count),
            _ => {
                let store = Arc::clone(store);
                // Whether its caller waits for it or hangs up.
                detached(async move {
                    let count = store.count_accounts().await?;
                    *last = Some((now, count));
                    Ok(count)
                })
                .await
            }
        }
    }
}
