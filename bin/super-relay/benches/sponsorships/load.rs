//! The load: this many connections, each sending the next request as soon as it has an answer; or
//! requests at a steady rate, however long each takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::Outcome;

/// The results of the requests.
pub struct Sent {
    /// From the first request to the last answer.
    pub took: Duration,
    /// One for each request, shortest first.
    pub latencies: Vec<Duration>,
    /// The operation that the last answer carried.
    pub last: Value,
}

impl Sent {
    /// Requests per second.
    pub fn per_second(&self) -> f64 {
        self.each(self.took).recip()
    }

    /// Seconds for each request.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.latencies.len() as f64
    }

    /// The latency that this percentage of the requests did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.latencies[(self.latencies.len() * percent / 100).min(self.latencies.len() - 1)]
    }
}

/// Whether an answer is the one that is measured.
pub type IsAnswer = fn(&Value) -> bool;

/// The answer to `pm_sponsor_with_tee`.
pub fn is_sponsored(answer: &Value) -> bool {
    answer["result"]["success"] == Value::Bool(true)
}

/// Sends every request once. Any other answer is an error.
pub async fn send(url: &str, requests: Vec<String>, connections: usize, is_answer: IsAnswer) -> Outcome<Sent> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..connections {
        let connection = Connection { client: devkit::http::builder().build()?, url: url.to_owned(), is_answer };
        running.spawn(connection.work(Arc::clone(&requests), Arc::clone(&next)));
    }
    let (mut latencies, mut last) = (Vec::with_capacity(requests.len()), None);
    while let Some(done) = running.join_next().await {
        let (measured, operation) = done??;
        latencies.extend(measured);
        last = operation.or(last);
    }
    let took = begun.elapsed();
    latencies.sort_unstable();
    Ok(Sent { took, latencies, last: last.ok_or("nothing was sent")? })
}

/// Sends sponsorships at this rate, each at its time, over as many connections as that takes. A
/// latency begins when the request was due, so one that had to wait counts with its wait.
pub async fn pace(url: &str, requests: Vec<String>, per_second: f64) -> Outcome<Sent> {
    let connection =
        Connection { client: devkit::http::builder().build()?, url: url.to_owned(), is_answer: is_sponsored };
    let (connection, mut running) = (Arc::new(connection), JoinSet::new());
    let (begun, apart) = (tokio::time::Instant::now(), Duration::from_secs_f64(per_second.recip()));
    let mut due = begun;
    for request in requests {
        due += apart;
        sleep_until(due).await;
        let connection = Arc::clone(&connection);
        running.spawn(async move { connection.call(&request).await.map(|answer| (due.elapsed(), answer)) });
    }
    let (mut latencies, mut last) = (Vec::new(), None);
    while let Some(done) = running.join_next().await {
        let (latency, mut answer) = done??;
        latencies.push(latency);
        last = Some(answer["result"]["userOperation"].take());
    }
    latencies.sort_unstable();
    Ok(Sent { took: begun.elapsed(), latencies, last: last.ok_or("nothing was sent")? })
}

struct Connection {
    client: Client,
    url: String,
    is_answer: IsAnswer,
}

impl Connection {
    async fn work(self, requests: Arc<Vec<String>>, next: Arc<AtomicUsize>) -> Outcome<(Vec<Duration>, Option<Value>)> {
        let (mut latencies, mut last) = (Vec::new(), None);
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let mut answer = self.call(request).await?;
            latencies.push(begun.elapsed());
            last = Some(answer["result"]["userOperation"].take());
        }
        Ok((latencies, last))
    }

    async fn call(&self, request: &str) -> Outcome<Value> {
        let sent = self.client.post(&self.url).header("Content-Type", "application/json").body(request.to_owned());
        let answer = sent.send().await?.error_for_status()?.json().await?;
        if (self.is_answer)(&answer) { Ok(answer) } else { Err(format!("another answer: {answer}").into()) }
    }
}
