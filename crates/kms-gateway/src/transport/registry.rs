//! The kinds of TEE that a gateway can be over: one row for each.

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
    /// In this process, protected from nothing.
    #[default]
    Simulator,
    /// In OP-TEE, on this machine.
    Optee,
}

/// A kind of TEE.
#[derive(Clone, Copy, Debug)]
pub struct Tee {
    /// In `kms.tee`, at `/health`, and the Cargo feature that builds its transport in.
    pub name: &'static str,
    /// What its trusted application reports on the best of platforms. What this one reports is
    /// asked over every session.
    pub at_most: AtMost,
    /// Whether entering it costs so much that frames should go together.
    pub takes_batches: bool,
    /// Opens the first session; the folder is `kms.data_dir`. `None` where this build has no
    /// transport to it.
    open: Option<Open>,
}

type Open = fn(&Tee, &Path, WorkerOptions) -> Result<Arc<dyn TeeTransport>, OpenError>;

impl TeeKind {
    /// Its row.
    #[must_use]
    pub const fn row(self) -> Tee {
        match self {
            Self::Simulator => Tee {
                name: "simulator",
                at_most: AtMost::NOTHING,
                takes_batches: false,
                open: Some(|tee, folder, options| {
                    let folder = folder.to_owned();
                    start(tee, options, move || Simulator::open(&folder))
                }),
            },
            Self::Optee => Tee {
                name: "optee",
                at_most: AtMost::HARDWARE,
                takes_batches: true,
                #[cfg(feature = "optee")]
                open: Some(|tee, _, options| start(tee, options, OpteeSession::open)),
                #[cfg(not(feature = "optee"))]
                open: None,
            },
        }
    }
}

impl Tee {
    /// Whether this build has a transport to it.
    #[must_use]
    pub const fn is_built_in(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the host can do with it as it likes.
    #[must_use]
    pub fn protects_nothing(&self) -> bool {
        self.at_most == AtMost::NOTHING
    }

    /// Opens a session with it. Blocks until it is open and has shown that it may be used.
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
    /// This build has no transport to it.
    #[error("this build has no transport to the TEE {name}: --features {name}")]
    NotBuiltIn {
        /// Its name in `kms.tee`.
        name: &'static str,
    },
    /// It gives no session, or is not used.
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
