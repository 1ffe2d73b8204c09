//! Errors that end the program, reported once to the person who started it.

use crate::config::ConfigError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A part could not be started.
    #[error("{0}")]
    Start(String),
    /// A server stopped unexpectedly.
    #[error("{0}")]
    Run(String),
    /// A server refused or did not answer a request.
    #[error("{0}")]
    Answer(String),
    /// The answer could not be written.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// An admin command could not be made.
    #[error("admin: {0}")]
    Admin(String),
}
