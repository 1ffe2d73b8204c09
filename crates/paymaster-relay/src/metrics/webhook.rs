//! The metrics of webhooks. Their names come from the settings.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{SECONDS, register};

/// The metrics of webhooks.
#[derive(Debug)]
pub(crate) struct WebhookMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

/// The outcome of a request to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookOutcome {
    /// It approved.
    Approved,
    /// It denied.
    Denied,
    /// No valid answer.
    Failed,
}

impl WebhookOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
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
        })
    }

    /// Counts a request, and the time until its outcome.
    pub(crate) fn request(&self, webhook: &str, kind: &str, outcome: WebhookOutcome, took: Duration) {
        self.requests.with_label_values(&[webhook, kind, outcome.as_str()]).inc();
        let seconds: Histogram = self.seconds.with_label_values(&[webhook]);
        seconds.observe(took.as_secs_f64());
    }
}
