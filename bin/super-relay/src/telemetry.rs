//! Logging, set up once.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};
use crate::error::Error;

static JSON: AtomicBool = AtomicBool::new(false);

/// Whether the log is for machines.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Starts logging to standard error.
pub fn init(log: &Log) -> Result<(), Error> {
    JSON.store(log.format == LogFormat::Json, Ordering::Relaxed);
    let lines = tracing_subscriber::fmt().with_env_filter(filter(log)?).with_writer(std::io::stderr);
    match log.format {
        // Colours are for terminals: a file would keep the codes.
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|problem| Error::Start(format!("logging: {problem}")))
}

/// The directives of the settings.
pub fn filter(log: &Log) -> Result<EnvFilter, ConfigError> {
    let invalid = |problem| ConfigError::Value { key: "log.filter".into(), problem };
    EnvFilter::try_new(&log.filter).map_err(|problem| invalid(problem.to_string()))
}
