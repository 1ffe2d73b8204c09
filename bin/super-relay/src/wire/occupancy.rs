//! Connection metrics of each port.

use std::sync::{Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use serve::{Ended, Occupancy, Occupied, Refused, Tally};

/// Reads the port's counts when metrics are collected.
struct Connections {
    occupancy: Occupancy,
    open: IntGaugeVec,
    refused: IntCounterVec,
    ended: IntCounterVec,
    /// Two simultaneous collections would count twice.
    collecting: Mutex<()>,
}

/// Registers the metrics of the port that `listen` has under this name.
pub fn register(registry: &Registry, port: &str, occupancy: Occupancy) -> Result<(), prometheus::Error> {
    let of_port = |name, help| Opts::new(name, help).const_label("port", port);
    let open = of_port("connections_open", "Open connections of a port by what they are doing.");
    let refused = of_port("connections_refused_total", "Connections and WebSockets that a port refused, by the limit.");
    let ended = of_port("connections_ended_total", "Connections that a port ended, by the reason.");
    registry.register(Box::new(Connections {
        occupancy,
        open: IntGaugeVec::new(open, &["state"])?,
        refused: IntCounterVec::new(refused, &["reason"])?,
        ended: IntCounterVec::new(ended, &["reason"])?,
        collecting: Mutex::default(),
    }))
}

impl Collector for Connections {
    fn desc(&self) -> Vec<&Desc> {
        [self.open.desc(), self.refused.desc(), self.ended.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _alone = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        let Occupied { waiting, serving, upgraded } = self.occupancy.now();
        for (state, count) in [("waiting", waiting), ("serving", serving), ("upgraded", upgraded)] {
            self.open.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let Tally { refused, ended } = self.occupancy.tally();
        let Refused { port, address, web_sockets, web_sockets_of_address } = refused;
        let of_web_sockets = [("websockets", web_sockets), ("websockets_of_address", web_sockets_of_address)];
        count(&self.refused, [("port", port), ("address", address)].into_iter().chain(of_web_sockets));
        let Ended { evicted, outranked, slow, late, memory } = ended;
        count(
            &self.ended,
            [("evicted", evicted), ("outranked", outranked), ("slow", slow), ("late", late), ("memory", memory)],
        );
        [self.open.collect(), self.refused.collect(), self.ended.collect()].concat()
    }
}

/// Sets counters to the port's totals.
fn count(counters: &IntCounterVec, totals: impl IntoIterator<Item = (&'static str, u64)>) {
    for (reason, total) in totals {
        let counter = counters.with_label_values(&[reason]);
        counter.inc_by(total.saturating_sub(counter.get()));
    }
}
