//! The number of accounts, at most some seconds old: anyone may request it, and counting reads
//! every row.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::GatewayError;
use super::decision::detached;
use crate::store::Store;

/// Seconds for which a count is reused.
const RECENT: u64 = 5;

/// The last count and its time. Locked while the rows are counted: other callers wait for the same
/// result.
#[derive(Default)]
pub(super) struct AccountCount(Arc<Mutex<Option<(u64, u64)>>>);

impl AccountCount {
    /// A count that is at most [`RECENT`] seconds old.
    ///
    /// # Errors
    /// [`GatewayError::StoreUnavailable`]; the next call counts again.
    pub(super) async fn recent(&self, store: &Arc<dyn Store>, now: u64) -> Result<u64, GatewayError> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        let kept = *last;
        match kept {
            // `abs_diff`, so that setting the clock back does not keep a count.
            Some((counted_at, count)) if now.abs_diff(counted_at) < RECENT => Ok(count),
            _ => {
                let store = Arc::clone(store);
                // Continues even if its caller hangs up.
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
