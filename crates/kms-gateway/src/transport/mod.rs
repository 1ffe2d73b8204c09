//! The way to the trusted application: bytes in, bytes out. What the bytes mean is no business of a transport.

pub mod simulator;
mod worker;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

pub use worker::{StartError, Worker};

/// A trusted application somewhere, and the queue in front of it.
#[async_trait]
pub trait TeeTransport: Send + Sync {
    /// Sends a request frame and waits for the reply frame. Dropping the future does not stop a frame already sent.
    ///
    /// # Errors
    /// [`TransportError::Busy`] at once when the queue is full, [`TransportError::Unavailable`] when nobody answers.
    async fn invoke(&self, frame: Vec<u8>) -> Result<Vec<u8>, TransportError>;

    /// How the queue is doing.
    fn stats(&self) -> QueueStats;

    /// What kind of TEE it is, as `/health` names it: `simulator`, `optee`.
    fn mode(&self) -> &'static str;

    /// Takes no more frames, and returns when those already queued are answered.
    async fn close(&self);
}

/// Why there is no reply. The trusted application's own refusals are replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The queue is full.
    #[error("the queue to the TEE is full")]
    Busy,
    /// The session is gone, or was closed.
    #[error("the TEE does not answer")]
    Unavailable,
}

/// A queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStats {
    /// Frames waiting or being answered.
    pub depth: usize,
    /// Frames that may wait.
    pub capacity: usize,
    /// How long one call took of late.
    pub average_call: Duration,
    /// Calls without a reply since the last one that had a reply.
    pub consecutive_failures: u64,
    /// Whether every call is refused at once, since the session is gone.
    pub closed: bool,
}

impl QueueStats {
    /// How long a frame sent now waits for its reply.
    #[must_use]
    pub fn estimated_wait(&self) -> Duration {
        self.average_call.saturating_mul(u32::try_from(self.depth).unwrap_or(u32::MAX))
    }
}
