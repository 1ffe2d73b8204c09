//! Tells everything to stop when the operating system says so.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// A token that is cancelled on SIGINT or SIGTERM.
pub fn on_signal() -> Result<CancellationToken, Error> {
    let token = CancellationToken::new();
    let listen = |kind| signal(kind).map_err(|problem| Error::Start(format!("signals: {problem}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: requests in flight finish first");
        cancelled.cancel();
    });
    Ok(token)
}
