//! A transport that uses the sessions of one kind of TEE.

use std::fmt::Display;

use async_trait::async_trait;
use prometheus::core::Collector;

use super::{Asker, QueueStats, ServedTee, Session, StartError, TeeTransport, TransportError, Worker, WorkerOptions};

/// The queue of a [`Worker`], and sessions behind it.
pub struct SessionTransport {
    mode: &'static str,
    worker: Worker,
}

impl SessionTransport {
    /// Opens the first session with `open`, like [`Worker::start`]. `mode` is the TEE's name in
    /// `kms.tee`.
    ///
    /// # Errors
    /// Those of [`Worker::start`].
    pub fn start<S, E>(
        mode: &'static str,
        options: WorkerOptions,
        open: impl FnMut() -> Result<S, E> + Send + 'static,
    ) -> Result<Self, StartError<E>>
    where
        S: Session,
        E: Display + Send + 'static,
    {
        Ok(Self { mode, worker: Worker::start(options, open)? })
    }
}

#[async_trait]
impl TeeTransport for SessionTransport {
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
        self.mode
    }

    async fn close(&self) {
        self.worker.close().await;
    }
}
