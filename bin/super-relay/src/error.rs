//! What ends the program, said once to the person who started it.

use crate::config::ConfigError;

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
