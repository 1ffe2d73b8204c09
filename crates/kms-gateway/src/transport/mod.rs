//! The connection to the trusted application: bytes in, bytes out. A transport does not interpret
//! the bytes. Each kind of TEE has a [`Session`] in its own folder, and a row in `registry`; the
//! queue in front of it is the same for all ([`Worker`]).

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

/// A trusted application, and the queue in front of it.
#[async_trait]
pub trait TeeTransport: Send + Sync {
    /// Sends a request frame on behalf of `asker` and waits for the reply frame. Dropping the
    /// future does not stop a frame already sent.
    ///
    /// # Errors
    /// [`TransportError::Busy`] immediately if the queue or the asker's share of it is full or the
    /// TEE is stuck, [`TransportError::Unavailable`] if there is no answer,
    /// [`TransportError::NotAdmitted`] if the trusted application is not admitted.
    async fn invoke(&self, frame: Vec<u8>, asker: Asker) -> Result<Vec<u8>, TransportError>;

    /// The state of the queue.
    fn stats(&self) -> QueueStats;

    /// Its metrics, for the owner's registry.
    fn instruments(&self) -> Vec<Box<dyn Collector>>;

    /// The TEE that is served: sessions with another one are not used.
    fn served(&self) -> &ServedTee;

    /// The kind of TEE, as in `kms.tee` and `/health`.
    fn mode(&self) -> &'static str;

    /// Accepts no more frames, and returns when the queued ones are answered, or if the TEE is
    /// stuck.
    async fn close(&self);
}

/// Why there is no reply. The trusted application's own refusals are replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The queue or the asker's share of it is full, or the TEE is stuck. The frame was not sent.
    #[error(transparent)]
    Busy(Busy),
    /// The session was lost or closed, or did not answer. It is unknown whether the frame had an
    /// effect.
    #[error("the TEE does not answer")]
    Unavailable,
    /// The last session that was opened is with a trusted application that is not admitted. The
    /// frame was not sent.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
}

/// The state of a queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStats {
    /// Frames waiting or in progress.
    pub depth: usize,
    /// Frames that may wait.
    pub capacity: usize,
    /// Recent average time of a frame in the TEE.
    pub average_call: Duration,
    /// Recent average time that a frame waited before that.
    pub average_wait: Duration,
    /// Frames without a reply since the last reply.
    pub consecutive_failures: u64,
    /// Sessions that were lost. Facts learnt over one may not hold for the next.
    pub lost: u64,
    /// Sessions opened to replace a lost one.
    pub reopened: u64,
    /// Whether calls are refused immediately: the TEE is stuck or gone, or was and has not answered
    /// since.
    pub breaker_open: bool,
    /// How long the current call has taken, if there is one.
    pub in_call_for: Option<Duration>,
    /// Whether it was closed permanently.
    pub closed: bool,
}

impl QueueStats {
    /// The estimated time that a frame sent now waits for its reply.
    #[must_use]
    pub fn estimated_wait(&self) -> Duration {
        self.average_call.saturating_mul(u32::try_from(self.depth).unwrap_or(u32::MAX))
    }
}
