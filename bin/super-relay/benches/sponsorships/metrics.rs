//! The node's own histograms, from `/metrics`.

use std::collections::HashMap;
use std::time::Duration;

use crate::Outcome;

/// Every sample at one moment, by name and labels as written.
pub struct Metrics(HashMap<String, f64>);

impl Metrics {
    /// Requests them.
    pub async fn read(ops: &str) -> Outcome<Self> {
        let text = devkit::http::get(format!("{ops}/metrics")).await?.error_for_status()?.text().await?;
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        Ok(Self(samples.map(|(name, value)| Ok((name.to_owned(), value.parse()?))).collect::<Outcome<_>>()?))
    }

    /// The mean of the histogram's samples since `before`.
    pub fn mean_since(&self, before: &Self, histogram: &str, label: &str) -> Outcome<Duration> {
        let grown = |part: &str| {
            let name = format!("{histogram}_{part}{{{label}}}");
            let now = self.0.get(&name).ok_or(format!("no {name} in the metrics"))?;
            Ok::<_, String>(now - before.0.get(&name).copied().unwrap_or_default())
        };
        Ok(Duration::try_from_secs_f64(grown("sum")? / grown("count")?)?)
    }
}
