//! Lets the service end a connection.

use tokio_util::sync::CancellationToken;

/// A handle to the connection of a request, provided as a request extension. It remains valid after
/// the connection is upgraded.
#[derive(Clone, Debug)]
pub struct Hangup(pub(crate) CancellationToken);

impl Hangup {
    /// Ends the connection immediately, whatever its state.
    pub fn hang_up(&self) {
        self.0.cancel();
    }

    /// Returns when the connection has ended or is about to, for any reason.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }
}
