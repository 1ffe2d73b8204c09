//! Logging, set up once.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::error::Error;

/// Starts logging to standard error.
pub fn init(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|problem| Error::Start(format!("log.filter: {problem}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|problem| Error::Start(format!("logging: {problem}")))
}
