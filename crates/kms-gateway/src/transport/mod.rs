//! The way to the trusted application: bytes in, bytes out. What the bytes mean is no business of a
//! transport. Each kind of TEE has a [`Session`] in a folder of its own, and a row in `registry`;
//! the queue in front of it is the same for all ([`Worker`]).

mod asker;
mod busy;
#[cfg(any(feature = "optee", test))]
pub mod optee;
mod registry;
mod served;
mod session_transport;
pub mod simulator;
mod worker;

use std::time::Duration;

use async_trait::async_trait;
use prometheus::core::Collector;
use thiserror::Error;

pub use asker::Asker;
pub use busy::Busy;
pub use registry::{OpenError, Tee, TeeKind};
pub use served::{ServedTee, TeeName, TeeStateLost};
pub use session_transport::SessionTransport;
pub use worker::{NotAdmitted, Session, SessionError, StartError, Worker, WorkerOptions};

/// A trusted application somewhere, and the queue in front of it.
#[async_trait]
pub trait TeeTransport: Send + Sync {
    /// Sends a request frame on behalf of `asker` and waits for the reply frame. Dropping the
    /// future does not stop a frame already sent.
    ///
    /// # Errors
    /// [`TransportError::Busy`] at once when the queue or the asker's share of it is full or the
    /// TEE is stuck, [`TransportError::Unavailable`] when nobody answers,
    /// [`TransportError::NotAdmitted`] when what could answer is not used.
    async fn invoke(&self, frame: Vec<u8>, asker: Asker) -> Result<Vec<u8>, TransportError>;

    /// How the queue is doing.
    fn stats(&self) -> QueueStats;

    /// What it counts, for the registry of whoever runs it.
    fn instruments(&self) -> Vec<Box<dyn Collector>>;

    /// Which TEE is served: no session with another is used.
    fn served(&self) -> &ServedTee;

    /// What kind of TEE it is, as `/health` names it: a name of `kms.tee`.
    fn mode(&self) -> &'static str;

    /// Takes no more frames, and returns when those already queued are answered, or when the TEE is
    /// stuck.
    async fn close(&self);
}

/// Why there is no reply. The trusted application's own refusals are replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The queue or the asker's share of it is full, or the TEE is stuck. The frame was not sent.
    #[error(transparent)]
    Busy(Busy),
    /// The session is gone, was closed, or did not answer. Whether the frame had an effect is not
    /// known.
    #[error("the TEE does not answer")]
    Unavailable,
    /// The session that was opened last is with a trusted application that is not used. The frame
    /// was not sent.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
}

/// A queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStats {
    /// Frames waiting or being answered.
    pub depth: usize,
    /// Frames that may wait.
    pub capacity: usize,
    /// How long one frame took in the TEE of late.
    pub average_call: Duration,
    /// How long one frame waited before that, of late.
    pub average_wait: Duration,
    /// Frames without a reply since the last one that had a reply.
    pub consecutive_failures: u64,
    /// Sessions that were lost. What was learnt over one of them may not be so over the next.
    pub lost: u64,
    /// Sessions opened in place of one that was lost.
    pub reopened: u64,
    /// Whether calls are refused at once: the TEE is stuck or gone, or was and has not answered
    /// since.
    pub breaker_open: bool,
    /// How long the call under way has taken, if one is.
    pub in_call_for: Option<Duration>,
    /// Whether it was closed permanently.
    pub closed: bool,
}

impl QueueStats {
    /// How long a frame sent now waits for its reply.
    #[must_use]
    pub fn estimated_wait(&self) -> Duration {
        self.average_call.saturating_mul(u32::try_from(self.depth).unwrap_or(u32::MAX))
    }
}
