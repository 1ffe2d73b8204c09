//! The simulator: the same trusted core as in a TEE, in this process, over a sealed file. It
//! protects nothing from the host: the key of the file lies beside it. It is for development and
//! tests, and production refuses it.

mod durable;
mod error;
mod key_file;
mod ports;
mod sealed_file;

use std::path::Path;

use async_trait::async_trait;
use prometheus::core::Collector;
use proto::Status;
use proto::bytes::Bounded;
use proto::command::Protection;
use proto::primitives::keccak256_concat;
use ta::{Core, Platform};
use thiserror::Error;

pub use error::SealedFileError;
pub use sealed_file::SealedFile;

use super::{
    Asker, NotAdmitted, QueueStats, ServedTee, SessionError, StartError, TeeTransport, TransportError, Worker,
    WorkerOptions,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The trusted core on a thread of its own.
pub struct Simulator {
    worker: Worker,
}

/// The simulator can't be started.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// Its sealed state can't be opened.
    #[error(transparent)]
    State(#[from] SealedFileError),
    /// The trusted core refuses what the state holds.
    #[error("the trusted core refuses its state: {0}")]
    Core(Status),
    /// It protects nothing, and something is required.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
    /// Its thread ended at once or never began.
    #[error("the simulator's thread: {detail}")]
    Thread {
        /// What happened.
        detail: String,
    },
}

impl Simulator {
    /// Opens the state in `folder`, or begins one, and starts the core over it.
    ///
    /// # Errors
    /// A state that is damaged, missing or in use by another process is refused, never begun anew.
    pub fn open(folder: &Path, options: WorkerOptions) -> Result<Self, SimulatorError> {
        tracing::warn!(
            folder = %folder.display(),
            "TEE SIMULATOR: keys are sealed with a key that lies beside them. It protects NOTHING from this host"
        );
        let folder = folder.to_owned();
        let worker = Worker::start(options, move || {
            let (store, counter) = ports::over(SealedFile::open(&folder)?);
            let mut core = Core::open(store, ports::OsEntropy, counter, platform()).map_err(SimulatorError::Core)?;
            Ok(move |frame: &[u8]| Ok::<_, SessionError>(core.handle(frame)))
        })
        .map_err(|error| match error {
            StartError::Session(error) => error,
            StartError::NotAdmitted(error) => SimulatorError::NotAdmitted(error),
            StartError::Thread(_) | StartError::Ended | StartError::Metrics(_) => {
                SimulatorError::Thread { detail: error.to_string() }
            }
        })?;
        Ok(Self { worker })
    }
}

#[async_trait]
impl TeeTransport for Simulator {
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
        "simulator"
    }

    async fn close(&self) {
        self.worker.close().await;
    }
}

/// What `VerifySecurityState` tells: nothing here is protected.
fn platform() -> Platform {
    Platform {
        version: Bounded::new(VERSION.to_owned()).unwrap_or_default(),
        measurement: keccak256_concat(&[b"super-relay simulator", VERSION.as_bytes()]),
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
    }
}
