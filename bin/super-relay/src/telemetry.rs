//! Logging, set up once.
//!
//! A thread of its own writes the lines, so that no request waits for whoever reads them, and none fails because a disk is
//! full. Lines that are not read in time are lost; the metric `log_lines_lost_total` counts them.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};
use crate::error::Error;

/// Lines that wait to be written.
const WAITING_LINES: usize = 4096;

static JSON: AtomicBool = AtomicBool::new(false);
/// The writing thread; what waits is written when this is dropped.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Whether the log is for machines.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Starts logging to standard error.
pub fn init(log: &Log) -> Result<(), Error> {
    JSON.store(log.format == LogFormat::Json, Ordering::Relaxed);
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING_LINES).finish(std::io::stderr());
    LOST.get_or_init(|| writer.error_counter());
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    // By default what can't be written is said on standard error, in a way that panics where that fails too.
    let lines = tracing_subscriber::fmt().with_env_filter(filter(log)?).with_writer(writer).log_internal_errors(false);
    match log.format {
        // Colours are for terminals: a file would keep the codes.
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|problem| Error::Start(format!("logging: {problem}")))
}

/// Writes what still waits, for a second at most. Nothing is logged afterwards.
pub fn finish() {
    WRITER.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Counts the lines that were lost.
pub fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    let total = IntCounter::new("log_lines_lost_total", "Log lines that nobody read in time.")?;
    registry.register(Box::new(LostLines { total, collecting: Mutex::default() }))
}

/// Read from the writer when it is asked for.
struct LostLines {
    total: IntCounter,
    /// Two that collect at once would count twice.
    collecting: Mutex<()>,
}

impl Collector for LostLines {
    fn desc(&self) -> Vec<&Desc> {
        self.total.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _alone = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = LOST.get().map_or(0, ErrorCounter::dropped_lines) as u64;
        self.total.inc_by(lost.saturating_sub(self.total.get()));
        self.total.collect()
    }
}

/// The directives of the settings.
pub fn filter(log: &Log) -> Result<EnvFilter, ConfigError> {
    let invalid = |problem| ConfigError::Value { key: "log.filter".into(), problem };
    EnvFilter::try_new(&log.filter).map_err(|problem| invalid(problem.to_string()))
}
