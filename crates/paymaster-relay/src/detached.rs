//! Work that outlives its caller.

use std::future::Future;
use std::panic::resume_unwind;

use tokio::spawn;
use tracing::Instrument as _;

/// Runs it in a task of its own, which ends when it is done, even if the caller goes away before. A
/// panic is the caller's. `None` if the process is stopping.
pub(crate) async fn detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    match spawn(work.in_current_span()).await {
        Ok(done) => Some(done),
        Err(ended) => ended.try_into_panic().map_or(None, |panic| resume_unwind(panic)),
    }
}
