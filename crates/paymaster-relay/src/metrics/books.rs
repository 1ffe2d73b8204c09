//! Metrics of the ledger: its comparison with the chain, and how long a deposit lasts.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{labels, register};
use crate::deployment::Deployment;

/// See the module.
#[derive(Debug)]
pub(crate) struct BookMetrics {
    difference: GaugeVec,
    reconciled_at: IntGaugeVec,
    failures: IntCounterVec,
    foreign: IntCounterVec,
    hours_left: GaugeVec,
}

impl BookMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let deployment = ["chain_id", "entry_point", "paymaster"];
        Ok(Self {
            difference: register(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "relay_reconciliation_difference_wei",
                        "What the last comparison of ledger and chain found: 0 if they agree.",
                    ),
                    &["chain_id", "entry_point", "paymaster", "of"],
                )?,
            )?,
            reconciled_at: register(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "relay_reconciliation_timestamp_seconds",
                        "Unix time of the last comparison of ledger and chain that was completed.",
                    ),
                    &deployment,
                )?,
            )?,
            failures: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "relay_reconciliation_failures_total",
                        "Comparisons of ledger and chain that could not be completed.",
                    ),
                    &deployment,
                )?,
            )?,
            foreign: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "relay_foreign_operations_total",
                        "Operations that a paymaster paid for and this relay's ledger does not know.",
                    ),
                    &deployment,
                )?,
            )?,
            hours_left: register(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "relay_deposit_hours_left",
                        "Hours that the unreserved deposit lasts at the rate of the last 24 hours.",
                    ),
                    &deployment,
                )?,
            )?,
        })
    }

    /// Records a completed comparison: by how many wei the ledger's costs are above the chain's,
    /// and the deposit above what its changes add up to, if that is known.
    pub(crate) fn reconciled(
        &self,
        deployment: &Deployment,
        at: u64,
        costs: i128,
        deposit: Option<i128>,
        foreign: u64,
    ) {
        let [chain_id, entry_point, paymaster] = labels(deployment);
        for (of, wei) in [("costs", Some(costs)), ("deposit", deposit)] {
            let labels = [&chain_id[..], &entry_point, &paymaster, of];
            match wei {
                Some(wei) => self.difference.with_label_values(&labels).set(as_double(wei)),
                // An error means that there is none already.
                None => _ = self.difference.remove_label_values(&labels),
            }
        }
        let labels = [&chain_id[..], &entry_point, &paymaster];
        self.reconciled_at.with_label_values(&labels).set(i64::try_from(at).unwrap_or(i64::MAX));
        self.foreign.with_label_values(&labels).inc_by(foreign);
        self.failures.with_label_values(&labels).inc_by(0);
    }

    pub(crate) fn reconciliation_failed(&self, deployment: &Deployment) {
        self.failures.with_label_values(&labels(deployment)).inc();
    }

    /// `None` while nothing is spent: there is no such value then.
    pub(crate) fn hours_left(&self, deployment: &Deployment, hours: Option<f64>) {
        match hours {
            Some(hours) => self.hours_left.with_label_values(&labels(deployment)).set(hours),
            // An error means that there is none already.
            None => _ = self.hours_left.remove_label_values(&labels(deployment)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; the log has the exact amount")]
fn as_double(wei: i128) -> f64 {
    wei as f64
}
