//! The kinds of TEE that a gateway supports, one row each.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "optee")]
use super::optee::OpteeSession;
use super::simulator::Simulator;
use super::{Session, SessionTransport, StartError, TeeTransport, WorkerOptions};
use crate::protection::AtMost;

/// Where the trusted application runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TeeKind {
    /// In this process, without protection.
    #[default]
    Simulator,
    /// In OP-TEE, on this machine.
    Optee,
}

/// A kind of TEE.
#[derive(Clone, Copy, Debug)]
pub struct Tee {
    /// Its name in `kms.tee` and at `/health`, and the Cargo feature that includes its transport.
    pub name: &'static str,
    /// The most that its trusted application reports on the best platform. Each session is asked
    /// for its actual report.
    pub at_most: AtMost,
    /// Whether entering it is so expensive that frames should be batched.
    pub takes_batches: bool,
    /// Checks its files in `kms.data_dir`, and changes none.
    look: fn(&Path) -> Result<(), OpenError>,
    /// Opens the first session; the folder is `kms.data_dir`. `None` if this build does not include
    /// the transport.
    open: Option<Open>,
}

type Open = fn(&Tee, &Path, WorkerOptions) -> Result<Arc<dyn TeeTransport>, OpenError>;

impl TeeKind {
    /// The row of this kind.
    #[must_use]
    pub const fn row(self) -> Tee {
        match self {
            Self::Simulator => Tee {
                name: "simulator",
                at_most: AtMost::NOTHING,
                takes_batches: false,
                look: |folder| Simulator::look_at(folder).map_err(|error| OpenError::Start(Box::new(error))),
                open: Some(|tee, folder, options| {
                    let folder = folder.to_owned();
                    start(tee, options, move || Simulator::open(&folder))
                }),
            },
            Self::Optee => Tee {
                name: "optee",
                at_most: AtMost::HARDWARE,
                takes_batches: true,
                look: |_| Ok(()),
                #[cfg(feature = "optee")]
                open: Some(|tee, _, options| start(tee, options, OpteeSession::open)),
                #[cfg(not(feature = "optee"))]
                open: None,
            },
        }
    }
}

impl Tee {
    /// Whether this build includes its transport.
    #[must_use]
    pub const fn is_built_in(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it gives no protection from the host.
    #[must_use]
    pub fn protects_nothing(&self) -> bool {
        self.at_most == AtMost::NOTHING
    }

    /// Checks the files of this kind of TEE in `kms.data_dir`, and changes none.
    ///
    /// # Errors
    /// [`OpenError::Start`].
    pub fn look_at(&self, data_dir: &Path) -> Result<(), OpenError> {
        (self.look)(data_dir)
    }

    /// Opens a session with it. Blocks until the session is open and admitted.
    ///
    /// # Errors
    /// [`OpenError::NotBuiltIn`], or why there is no session, for the operator.
    pub fn open(&self, data_dir: &Path, options: WorkerOptions) -> Result<Arc<dyn TeeTransport>, OpenError> {
        self.open.ok_or(OpenError::NotBuiltIn { name: self.name })?(self, data_dir, options)
    }
}

/// The TEE is not available.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// This build does not include its transport.
    #[error("this build has no transport to the TEE {name}: --features {name}")]
    NotBuiltIn {
        /// Its name in `kms.tee`.
        name: &'static str,
    },
    /// The session could not be opened, or was not admitted.
    #[error("{0}")]
    Start(Box<dyn Error + Send + Sync>),
}

fn start<S, E>(
    tee: &Tee,
    options: WorkerOptions,
    open: impl FnMut() -> Result<S, E> + Send + 'static,
) -> Result<Arc<dyn TeeTransport>, OpenError>
where
    S: Session,
    E: Error + Display + Send + Sync + 'static,
{
    let transport = SessionTransport::start(tee.name, options, open);
    Ok(Arc::new(transport.map_err(|error: StartError<E>| OpenError::Start(Box::new(error)))?))
}
