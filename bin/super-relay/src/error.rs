//! Errors that end the program, reported once to the person who started it.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::contracts::ContractsError;
use crate::send::SendError;

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
    /// An operation was not sent, or is not known to be mined.
    #[error("send: {0}")]
    Send(#[from] SendError),
    /// A transaction for a contract was not sent, or is not known to be mined.
    #[error("contracts: {0}")]
    Contracts(#[from] ContractsError),
}

impl Error {
    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Send(error) => error.exit_code().into(),
            Self::Contracts(error) => error.exit_code().into(),
            _ => ExitCode::FAILURE,
        }
    }
}
