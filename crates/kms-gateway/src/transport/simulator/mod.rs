//! The simulator: the same trusted core as in a TEE, running in this process with a sealed file. It
//! protects nothing from the host: the key of the file is stored beside it. It is for development
//! and tests, and the production profile refuses it.

mod durable;
mod error;
mod key_file;
mod ports;
mod sealed_file;

use std::path::Path;

use proto::Status;
use proto::bytes::Bounded;
use proto::command::Protection;
use proto::primitives::keccak256_concat;
use ta::{Core, Platform};
use thiserror::Error;

pub use error::SealedFileError;
pub use sealed_file::SealedFile;

use super::{Session, SessionError};
use ports::{OsEntropy, SealedCounter, SealedStore};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The trusted core with its sealed file.
pub struct Simulator(Core<SealedStore, OsEntropy, SealedCounter>);

/// The simulator cannot be started.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// Its sealed state cannot be opened.
    #[error(transparent)]
    State(#[from] SealedFileError),
    /// The trusted core refuses the stored state.
    #[error("the trusted core refuses its state: {0}")]
    Core(Status),
}

impl Simulator {
    /// Checks the files in `folder` before a start, and changes none.
    ///
    /// # Errors
    /// Those of [`Self::open`], but for a state that cannot be unsealed or is in use.
    pub fn look_at(folder: &Path) -> Result<(), SimulatorError> {
        Ok(SealedFile::look_at(folder)?)
    }

    /// Opens the state in `folder`, or creates one, and starts the core with it.
    ///
    /// # Errors
    /// A state that is damaged, missing or in use by another process is refused, never recreated.
    pub fn open(folder: &Path) -> Result<Self, SimulatorError> {
        tracing::warn!(
            folder = %folder.display(),
            "TEE SIMULATOR: keys are sealed with a key stored beside them. It protects NOTHING from this host"
        );
        let (store, counter) = ports::over(SealedFile::open(folder)?);
        Core::open(store, OsEntropy, counter, platform()).map(Self).map_err(SimulatorError::Core)
    }
}

impl Session for Simulator {
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        Ok(self.0.handle(frame))
    }
}

/// The report for `VerifySecurityState`: nothing is protected here.
fn platform() -> Platform {
    Platform {
        version: Bounded::new(VERSION.to_owned()).unwrap_or_default(),
        measurement: keccak256_concat(&[b"super-relay simulator", VERSION.as_bytes()]),
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
    }
}
