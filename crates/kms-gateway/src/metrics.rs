//! Metrics: decisions, calls to the TEE, and the queue in front of it.

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};
use proto::Wei;
use proto::command::{Allowances, Opcode};

use crate::transport::TeeTransport;

/// The gateway's metrics.
pub struct Metrics {
    decisions: IntCounterVec,
    tee_seconds: HistogramVec,
    allowance_granted: GaugeVec,
    allowance_remaining: GaugeVec,
}

/// The queue's depth and its breaker, read when they are scraped.
struct Queue {
    transport: Arc<dyn TeeTransport>,
    depth: IntGauge,
    breaker_open: IntGauge,
}

/// Seconds: a sponsorship takes well under a millisecond in the simulator and tens of milliseconds
/// in a TEE.
const TEE_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// If the registry already has metrics with these names.
    pub fn register(registry: &Registry, transport: Arc<dyn TeeTransport>) -> Result<Self, prometheus::Error> {
        let decisions = IntCounterVec::new(
            Opts::new("kms_decisions_total", "Decisions by action and reason; ok means allowed"),
            &["action", "reason"],
        )?;
        let tee_seconds = HistogramVec::new(
            HistogramOpts::new("kms_tee_call_seconds", "Time in queue and TEE, by command")
                .buckets(TEE_BUCKETS.to_vec()),
            &["command"],
        )?;
        let depth = IntGauge::new("kms_tee_queue_depth", "Frames waiting for the TEE or in it")?;
        let breaker_open =
            IntGauge::new("kms_tee_breaker_open", "1 while the TEE is stuck or gone, or has not answered since")?;
        let deployment = ["chain_id", "entry_point", "paymaster"];
        let allowance_granted = GaugeVec::new(
            Opts::new("kms_allowance_granted_gwei", "Worst-case costs that the TEE may ever sign for a deployment"),
            &deployment,
        )?;
        let allowance_remaining = GaugeVec::new(
            Opts::new("kms_allowance_remaining_gwei", "Worst-case costs that the TEE may still sign for a deployment"),
            &deployment,
        )?;
        registry.register(Box::new(allowance_granted.clone()))?;
        registry.register(Box::new(allowance_remaining.clone()))?;
        registry.register(Box::new(decisions.clone()))?;
        registry.register(Box::new(tee_seconds.clone()))?;
        for instrument in transport.instruments() {
            registry.register(instrument)?;
        }
        registry.register(Box::new(Queue { transport, depth, breaker_open }))?;
        Ok(Self { decisions, tee_seconds, allowance_granted, allowance_remaining })
    }

    pub(crate) fn decided(&self, action: &str, reason: &str) {
        self.decisions.with_label_values(&[action, reason]).inc();
    }

    pub(crate) fn allowances(&self, told: &Allowances) {
        for allowance in &*told.allowances {
            let entry_point = &allowance.deployment.entry_point;
            let (chain_id, address) = (entry_point.chain_id.to_string(), entry_point.address.to_string());
            let labels = [&*chain_id, &*address, &*allowance.deployment.paymaster.to_string()];
            self.allowance_granted.with_label_values(&labels).set(gwei(allowance.granted));
            self.allowance_remaining.with_label_values(&labels).set(gwei(allowance.remaining()));
        }
    }

    pub(crate) fn tee_called(&self, command: Opcode, took: Duration) {
        self.tee_seconds.with_label_values(&[&format!("{command:?}")]).observe(took.as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge shows some 15 digits")]
fn gwei(amount: Wei) -> f64 {
    amount.0 as f64 / 1e9
}

impl Collector for Queue {
    fn desc(&self) -> Vec<&Desc> {
        [self.depth.desc(), self.breaker_open.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stats = self.transport.stats();
        self.depth.set(i64::try_from(stats.depth).unwrap_or(i64::MAX));
        self.breaker_open.set(stats.breaker_open.into());
        [self.depth.collect(), self.breaker_open.collect()].concat()
    }
}
