//! OP-TEE on this machine: the trusted application `crates/ta-optee`, over the client library of
//! OP-TEE.

mod session;

use async_trait::async_trait;
use prometheus::core::Collector;
use thiserror::Error;

pub use super::optee_codes::OpteeError;
use super::{
    Asker, NotAdmitted, QueueStats, ServedTee, StartError, TeeTransport, TransportError, Worker, WorkerOptions,
};
use session::OpteeSession;

/// A session with the trusted application, on a thread of its own.
pub struct Optee {
    worker: Worker,
}

/// There is no session to begin with.
#[derive(Debug, Error)]
pub enum StartOpteeError {
    /// OP-TEE does not give one.
    #[error(transparent)]
    Session(#[from] OpteeError),
    /// What it gives one with is not used.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
    /// The thread for it ended at once or never began.
    #[error("the thread of OP-TEE's session: {detail}")]
    Thread {
        /// What happened.
        detail: String,
    },
}

impl Optee {
    /// Opens the session.
    ///
    /// # Errors
    /// In words for the operator: what OP-TEE refused, and what to do.
    pub fn open(options: WorkerOptions) -> Result<Self, StartOpteeError> {
        let worker = Worker::start(options, OpteeSession::open).map_err(|error| match error {
            StartError::Session(error) => StartOpteeError::Session(error),
            StartError::NotAdmitted(error) => StartOpteeError::NotAdmitted(error),
            StartError::Thread(_) | StartError::Ended | StartError::Metrics(_) => {
                StartOpteeError::Thread { detail: error.to_string() }
            }
        })?;
        Ok(Self { worker })
    }
}

#[async_trait]
impl TeeTransport for Optee {
    async fn invoke(&self, frame: Vec<u8>, asker: Asker) -> Result<Vec<u8>, TransportError> {
        self.worker.invoke(frame, asker).await
    }

    fn stats(&self) -> QueueStats {
        self.worker.stats()
    }

    fn instruments(&self) -> Vec<Box<dyn Collector>> {
        self.worker.instruments()
    }

    fn served(&self) -> &ServedTee {
        self.worker.served()
    }

    fn mode(&self) -> &'static str {
        "optee"
    }

    async fn close(&self) {
        self.worker.close().await;
    }
}
