//! The open connections of each port, as a metric.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};
use serve::{Occupancy, Occupied};

/// Counted when they are asked for.
struct Connections {
    occupancy: Occupancy,
    gauge: IntGaugeVec,
}

/// Of the port that `listen` has under this name.
pub fn register(registry: &Registry, port: &str, occupancy: Occupancy) -> Result<(), prometheus::Error> {
    let options = Opts::new("connections_open", "Open connections of a port by what they are doing.");
    let gauge = IntGaugeVec::new(options.const_label("port", port), &["state"])?;
    registry.register(Box::new(Connections { occupancy, gauge }))
}

impl Collector for Connections {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Occupied { waiting, serving, upgraded } = self.occupancy.now();
        for (state, count) in [("waiting", waiting), ("serving", serving), ("upgraded", upgraded)] {
            self.gauge.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.gauge.collect()
    }
}
