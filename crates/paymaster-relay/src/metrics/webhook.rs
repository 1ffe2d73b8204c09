//! The metrics of webhooks. Their names come from the settings.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{SECONDS, register};

/// The metrics of webhooks.
#[derive(Debug)]
pub(crate) struct WebhookMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    events: IntGaugeVec,
    event_age: IntGaugeVec,
    dropped: IntCounterVec,
}

/// The outcome of a request to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookOutcome {
    /// It approved.
    Approved,
    /// It denied.
    Denied,
    /// It was told.
    Delivered,
    /// No valid answer.
    Failed,
}

impl WebhookOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl WebhookMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: register(
                registry,
                IntCounterVec::new(
                    Opts::new("relay_webhook_requests_total", "Requests to a webhook, by type and outcome."),
                    &["webhook", "type", "outcome"],
                )?,
            )?,
            seconds: register(
                registry,
                HistogramVec::new(
                    HistogramOpts::new("relay_webhook_seconds", "Seconds that a request to a webhook took.")
                        .buckets(SECONDS.to_vec()),
                    &["webhook"],
                )?,
            )?,
            events: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("relay_webhook_events", "Events that a webhook was not told yet."),
                    &["webhook"],
                )?,
            )?,
            event_age: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("relay_webhook_event_age_seconds", "Seconds for which the oldest event is delivered."),
                    &["webhook"],
                )?,
            )?,
            dropped: register(
                registry,
                IntCounterVec::new(
                    Opts::new("relay_webhook_events_dropped_total", "Events that a webhook did not take in time."),
                    &["webhook"],
                )?,
            )?,
        })
    }

    /// Counts a request, and the time until its outcome.
    pub(crate) fn request(&self, webhook: &str, kind: &str, outcome: WebhookOutcome, took: Duration) {
        self.requests.with_label_values(&[webhook, kind, outcome.as_str()]).inc();
        let seconds: Histogram = self.seconds.with_label_values(&[webhook]);
        seconds.observe(took.as_secs_f64());
    }

    /// The events that are not delivered yet, and the seconds since the delivery of the oldest
    /// began.
    pub(crate) fn waiting(&self, webhook: &str, count: u64, age: u64) {
        self.events.with_label_values(&[webhook]).set(i64::try_from(count).unwrap_or(i64::MAX));
        self.event_age.with_label_values(&[webhook]).set(i64::try_from(age).unwrap_or(i64::MAX));
    }

    /// Counts events that are no longer delivered.
    pub(crate) fn dropped(&self, webhook: &str, count: u64) {
        self.dropped.with_label_values(&[webhook]).inc_by(count);
    }
}
