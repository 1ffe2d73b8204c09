//! The worker's metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter};

/// The weight of the newest frame in an average: one in this many.
const AVERAGE_OVER: u64 = 16;
/// Seconds.
const WAITS: [f64; 9] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5];
const SIZES: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

pub(super) struct Meter {
    average_call: Average,
    average_wait: Average,
    consecutive_failures: AtomicU64,
    reopened: IntCounter,
    waits: Histogram,
    batch_sizes: Histogram,
}

impl Meter {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            average_call: Average::default(),
            average_wait: Average::default(),
            consecutive_failures: AtomicU64::new(0),
            reopened: IntCounter::new("kms_tee_reopened_total", "TEE sessions opened in place of a lost one")?,
            waits: Histogram::with_opts(
                HistogramOpts::new("kms_tee_queue_wait_seconds", "Time in the queue before the TEE")
                    .buckets(WAITS.to_vec()),
            )?,
            batch_sizes: Histogram::with_opts(
                HistogramOpts::new("kms_tee_batch_size", "Commands that crossed into the TEE together")
                    .buckets(SIZES.to_vec()),
            )?,
        })
    }

    pub(super) fn instruments(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.reopened.clone()), Box::new(self.waits.clone()), Box::new(self.batch_sizes.clone())]
    }

    pub(super) fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
        self.average_wait.add(wait);
    }

    /// Frames that were batched, and their total time.
    pub(super) fn answered(&self, frames: u32, took: Duration) {
        self.consecutive_failures.store(0, Ordering::Relaxed);
        self.batch_sizes.observe(f64::from(frames));
        self.average_call.add(took / frames.max(1));
    }

    pub(super) fn failed(&self, frames: u32) {
        self.consecutive_failures.fetch_add(u64::from(frames), Ordering::Relaxed);
    }

    pub(super) fn reopened(&self) {
        self.reopened.inc();
    }

    pub(super) fn average_call(&self) -> Duration {
        self.average_call.get()
    }

    pub(super) fn average_wait(&self) -> Duration {
        self.average_wait.get()
    }

    pub(super) fn consecutive_failures(&self) -> u64 {
        self.consecutive_failures.load(Ordering::Relaxed)
    }

    pub(super) fn times_reopened(&self) -> u64 {
        self.reopened.get()
    }
}

/// A moving average in nanoseconds. Only the session's thread writes it.
#[derive(Default)]
struct Average(AtomicU64);

impl Average {
    fn add(&self, newest: Duration) {
        let nanos = u64::try_from(newest.as_nanos()).unwrap_or(u64::MAX);
        let average = match self.0.load(Ordering::Relaxed) {
            0 => nanos,
            average => average - average / AVERAGE_OVER + nanos / AVERAGE_OVER,
        };
        self.0.store(average, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
