//! The relay's metrics. No label comes from a caller, so their number is bounded.

mod books;
mod webhook;

use std::future::Future;
use std::time::{Duration, Instant};

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};
use proto::EntryPoint;

use self::books::BookMetrics;
pub(crate) use webhook::{WebhookMetrics, WebhookOutcome};

use crate::deployment::Deployment;
use crate::gwei::Gwei;

const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The relay's metrics.
#[derive(Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    stages: HistogramVec,
    reserved: GaugeVec,
    deposit: GaugeVec,
    reservations_expired: IntCounterVec,
    key_age: IntGauge,
    settlement_behind: IntGaugeVec,
    block_age: IntGaugeVec,
    bundler_requests: IntCounterVec,
    bundler_seconds: HistogramVec,
    pub(crate) books: BookMetrics,
    shadow_refusals: IntCounterVec,
    /// Those of webhooks.
    pub(crate) webhooks: WebhookMetrics,
}

/// A stage of the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Claiming the request.
    Claim,
    /// Quote, policy and reservation.
    Approve,
    /// The KMS.
    Sign,
    /// Recording the signatures.
    Record,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Approve => "approve",
            Self::Sign => "sign",
            Self::Record => "record",
        }
    }
}

/// The outcome of a request to a bundler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A result.
    Answered,
    /// The bundler's own error.
    Refused,
    /// Nothing, or nothing of use.
    Unanswered,
}

impl Asked {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

impl Metrics {
    /// Creates and registers the metrics.
    ///
    /// # Errors
    /// [`prometheus::Error`] if the registry already has metrics with these names.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histogram = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let deployment = ["chain_id", "entry_point", "paymaster"];
        Ok(Self {
            requests: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "relay_requests_total",
                        "Answered JSON-RPC requests by method and reason; ok means success.",
                    ),
                    &["method", "reason"],
                )?,
            )?,
            stages: register(
                registry,
                HistogramVec::new(
                    histogram("relay_stage_seconds", "Seconds a part of a sponsorship took."),
                    &["stage"],
                )?,
            )?,
            reserved: register(
                registry,
                GaugeVec::new(Opts::new("relay_reserved_gwei", "Reserved of a paymaster's deposit."), &deployment)?,
            )?,
            deposit: register(
                registry,
                GaugeVec::new(Opts::new("relay_deposit_gwei", "A paymaster's deposit."), &deployment)?,
            )?,
            reservations_expired: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "relay_reservations_expired_total",
                        "Reservations whose window ended without a mined operation.",
                    ),
                    &["chain_id"],
                )?,
            )?,
            key_age: register(
                registry,
                IntGauge::new("relay_key_age_seconds", "Seconds since the relay's key was created.")?,
            )?,
            settlement_behind: register(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "relay_settlement_behind_blocks",
                        "Blocks of the chain that are still to be read for mined operations.",
                    ),
                    &deployment,
                )?,
            )?,
            block_age: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("relay_block_age_seconds", "Seconds since the timestamp of the latest block seen."),
                    &["chain_id"],
                )?,
            )?,
            bundler_requests: register(
                registry,
                IntCounterVec::new(
                    Opts::new("relay_bundler_requests_total", "Requests that were passed on to a bundler, by outcome."),
                    &["chain_id", "bundler", "outcome"],
                )?,
            )?,
            bundler_seconds: register(
                registry,
                HistogramVec::new(
                    histogram("relay_bundler_seconds", "Seconds that a bundler took to answer."),
                    &["chain_id", "bundler"],
                )?,
            )?,
            books: BookMetrics::new(registry)?,
            shadow_refusals: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "relay_shadow_refusals_total",
                        "Sponsorships that a rule in shadow would have refused, by policy and reason.",
                    ),
                    &["policy", "reason"],
                )?,
            )?,
            webhooks: WebhookMetrics::new(registry)?,
        })
    }

    /// Counts an answered request; both labels are constants of ours.
    pub(crate) fn request(&self, method: &'static str, reason: &str) {
        self.requests.with_label_values(&[method, reason]).inc();
    }

    /// Counts a sponsorship that a rule in shadow would have refused.
    pub(crate) fn shadowed(&self, policy: &str, reason: &'static str) {
        self.shadow_refusals.with_label_values(&[policy, reason]).inc();
    }

    /// Measures the duration of the work.
    pub(crate) async fn timed<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.stage(stage, begun.elapsed());
        done
    }

    fn stage(&self, stage: Stage, took: Duration) {
        let stage: Histogram = self.stages.with_label_values(&[stage.as_str()]);
        stage.observe(took.as_secs_f64());
    }

    pub(crate) fn reserved(&self, deployment: &Deployment, gwei: Gwei) {
        set(&self.reserved, deployment, gwei);
    }

    pub(crate) fn deposit(&self, deployment: &Deployment, gwei: Gwei) {
        set(&self.deposit, deployment, gwei);
    }

    pub(crate) fn reservations_expired(&self, chain_id: u64, count: u64) {
        self.reservations_expired.with_label_values(&[chain_id.to_string()]).inc_by(count);
    }

    /// Records the latest block, and the next one to read.
    pub(crate) fn settlement_behind(&self, deployment: &Deployment, latest: u64, next: u64) {
        let blocks = latest.saturating_add(1).saturating_sub(next);
        let gauge = self.settlement_behind.with_label_values(&labels(deployment));
        gauge.set(i64::try_from(blocks).unwrap_or(i64::MAX));
    }

    pub(crate) fn block_age(&self, chain_id: u64, seconds: u64) {
        let gauge = self.block_age.with_label_values(&[chain_id.to_string()]);
        gauge.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// Counts a request to the bundler with that number in the chain's list, from 1.
    pub(crate) fn bundler(&self, chain_id: u64, number: usize, outcome: Asked, took: Duration) {
        let (chain_id, number) = (chain_id.to_string(), number.to_string());
        self.bundler_requests.with_label_values(&[&chain_id[..], &number, outcome.as_str()]).inc();
        if outcome != Asked::Unanswered {
            let seconds: Histogram = self.bundler_seconds.with_label_values(&[chain_id, number]);
            seconds.observe(took.as_secs_f64());
        }
    }

    pub(crate) fn key_age(&self, seconds: u64) {
        self.key_age.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; exact amounts are kept as integers")]
fn set(gauge: &GaugeVec, deployment: &Deployment, gwei: Gwei) {
    gauge.with_label_values(&labels(deployment)).set(gwei.count() as f64);
}

fn labels(deployment: &Deployment) -> [String; 3] {
    let EntryPoint { chain_id, address, .. } = deployment.entry_point;
    [chain_id.to_string(), address.to_string(), deployment.paymaster.to_string()]
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
