//! Ending a connection for a reason of the service's own.

use tokio_util::sync::CancellationToken;

/// The connection of a request; an extension of each. It stays the same when the connection is
/// upgraded.
#[derive(Clone, Debug)]
pub struct Hangup(pub(crate) CancellationToken);

impl Hangup {
    /// Ends the connection at once, whatever it is doing.
    pub fn hang_up(&self) {
        self.0.cancel();
    }

    /// Returns when the connection has ended or is about to, for whatever reason.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }
}
