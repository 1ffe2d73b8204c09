//! The typed client of the trusted application: sends a command and returns its reply or refusal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::Status;
use proto::command::{Request, SecurityState, VerifySecurityState};
use proto::frame::{InvalidReply, decode_reply, encode_request};
use thiserror::Error;

use crate::metrics::Metrics;
use crate::transport::{Asker, Busy, NotAdmitted, QueueStats, ServedTee, TeeTransport, TransportError};

/// Why a command has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TeeError {
    /// The trusted application refused, with a status.
    #[error("{0}")]
    Refused(Status),
    /// The queue or the asker's share of it is full, or the TEE is stuck; nothing was done.
    #[error(transparent)]
    Busy(Busy),
    /// No answer. It is unknown whether the command was carried out.
    #[error("the TEE does not answer")]
    Unavailable,
    /// The trusted application is not admitted; it was not called.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
    /// An answer that does not parse.
    #[error("the TEE's reply violates the protocol: {0}")]
    InvalidReply(InvalidReply),
}

impl TeeError {
    /// Whether the command may have taken effect nevertheless.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unavailable | Self::InvalidReply(_) => true,
            Self::Refused(status) => matches!(status, Status::StorageFailed | Status::CounterFailed),
            Self::Busy(_) | Self::NotAdmitted(_) => false,
        }
    }
}

/// Sends commands over a transport.
#[derive(Clone)]
pub struct Tee {
    transport: Arc<dyn TeeTransport>,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

impl Tee {
    pub(crate) fn new(transport: Arc<dyn TeeTransport>, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self { transport, timeout, metrics }
    }

    /// Sends a command on behalf of no particular asker, and returns its reply.
    ///
    /// # Errors
    /// [`TeeError::Refused`] with the trusted application's own status, or why there is no reply.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, TeeError> {
        self.call_for(Asker::Anyone, request).await
    }

    /// The same on behalf of `asker`.
    ///
    /// # Errors
    /// Those of [`Self::call`].
    pub async fn call_for<R: Request>(&self, asker: Asker, request: &R) -> Result<R::Reply, TeeError> {
        self.ask(asker, self.timeout, request).await
    }

    /// The same as [`Self::call`] for a command with its own timeout.
    ///
    /// # Errors
    /// Those of [`Self::call`].
    pub async fn call_within<R: Request>(&self, timeout: Duration, request: &R) -> Result<R::Reply, TeeError> {
        self.ask(Asker::Anyone, timeout, request).await
    }

    async fn ask<R: Request>(&self, asker: Asker, timeout: Duration, request: &R) -> Result<R::Reply, TeeError> {
        let frame = encode_request(request).map_err(TeeError::Refused)?;
        let started = Instant::now();
        let answer = tokio::time::timeout(timeout, self.transport.invoke(frame, asker)).await;
        self.metrics.tee_called(R::OPCODE, started.elapsed());
        let reply = answer.map_err(|_| TeeError::Unavailable)?.map_err(|error| match error {
            TransportError::Busy(why) => TeeError::Busy(why),
            TransportError::Unavailable => TeeError::Unavailable,
            TransportError::NotAdmitted(why) => TeeError::NotAdmitted(why),
        })?;
        decode_reply::<R>(&reply).map_err(TeeError::InvalidReply)?.map_err(TeeError::Refused)
    }

    /// Its report about itself, if it is the TEE that is served.
    ///
    /// # Errors
    /// Those of [`Self::call`], and [`NotAdmitted::StateLost`].
    pub async fn security_state(&self) -> Result<SecurityState, TeeError> {
        let state = self.call(&VerifySecurityState).await?;
        self.served().check(&state).map_err(|lost| TeeError::NotAdmitted(lost.into()))?;
        Ok(state)
    }

    /// The TEE that is served.
    #[must_use]
    pub fn served(&self) -> &ServedTee {
        self.transport.served()
    }

    /// The state of the queue.
    #[must_use]
    pub fn queue_stats(&self) -> QueueStats {
        self.transport.stats()
    }

    /// The kind of TEE.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        self.transport.mode()
    }

    pub(crate) async fn close(&self) {
        self.transport.close().await;
    }
}
