//! Logging, set up once.
//!
//! A thread of its own writes the lines, so that no request waits for a reader of the log, and none
//! fails because a disk is full. Lines that are not read in time, or cannot be written, are lost;
//! the metric `log_lines_lost_total` counts them.

mod lines;

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry};

use crate::config::{Log, LogFormat};
use crate::error::Error;
use lines::Lines;

/// Maximum number of lines waiting to be written.
const WAITING_LINES: usize = 4096;
/// Time for waiting lines when the process ends.
const LAST_LINES: Duration = Duration::from_secs(1);

static JSON: AtomicBool = AtomicBool::new(false);
static LINES: OnceLock<Lines> = OnceLock::new();

/// Whether the log is for machines.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Reports an error that ends the program: as a log line if the log is for machines, otherwise for
/// people.
pub fn report(error: &Error) {
    if is_json() {
        tracing::error!("{error}");
    } else {
        // If standard error is closed, there is no other place to report to.
        let _ = writeln!(std::io::stderr(), "super-relay: {error}");
    }
}

/// Starts logging to standard error.
pub fn init(log: &Log) -> Result<(), Error> {
    JSON.store(log.format == LogFormat::Json, Ordering::Relaxed);
    let started = Lines::to(std::io::stderr(), WAITING_LINES);
    let started = started.map_err(|problem| Error::Start(format!("logging: {problem}")))?;
    let writer = LINES.get_or_init(|| started).clone();
    // By default a line that cannot be written is reported on standard error, which panics if that
    // fails too.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(log.directives()?)
        .with_writer(move || writer.clone())
        .log_internal_errors(false);
    match log.format {
        // Colours are for terminals: a file would keep their escape codes.
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|problem| Error::Start(format!("logging: {problem}")))
}

/// Waits until the log is written, but no longer than a second.
pub fn finish() {
    if let Some(lines) = LINES.get() {
        lines.finish(LAST_LINES);
    }
}

/// Registers the metric for lost lines.
pub fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    let total =
        IntCounter::new("log_lines_lost_total", "Log lines that were not read in time, or could not be written.")?;
    registry.register(Box::new(LostLines { total, collecting: Mutex::default() }))
}

/// Reads the count when metrics are collected.
struct LostLines {
    total: IntCounter,
    /// Two simultaneous collections would count twice.
    collecting: Mutex<()>,
}

impl Collector for LostLines {
    fn desc(&self) -> Vec<&Desc> {
        self.total.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _alone = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = LINES.get().map_or(0, Lines::lost);
        self.total.inc_by(lost.saturating_sub(self.total.get()));
        self.total.collect()
    }
}
