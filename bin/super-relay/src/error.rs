//! What ends the program, said once to the person who started it.

use std::io::Write as _;

use crate::config::ConfigError;
use crate::telemetry;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A part that could not be started.
    #[error("{0}")]
    Start(String),
    /// A server that stopped by itself.
    #[error("{0}")]
    Run(String),
    /// What was asked of a server was refused, or not answered.
    #[error("{0}")]
    Answer(String),
    /// A command of the admin could not be made.
    #[error("admin: {0}")]
    Admin(String),
}

impl Error {
    /// Says the error once more: as a line of the log where that is for machines, else for people.
    pub fn report(&self) {
        if telemetry::is_json() {
            tracing::error!("{self}");
        } else {
            // There is nobody else to tell where standard error is closed.
            let _ = writeln!(std::io::stderr(), "super-relay: {self}");
        }
    }
}
