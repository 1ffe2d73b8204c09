//! The load: this many connections, each sending the next request as soon as it has an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tokio::task::JoinSet;

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

/// Sends every request once. An answer other than a sponsorship is an error.
pub async fn send(rpc: &str, requests: Vec<String>, connections: usize) -> Outcome<Sent> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..connections {
        let connection = Connection { client: devkit::http::builder().build()?, rpc: rpc.to_owned() };
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

struct Connection {
    client: Client,
    rpc: String,
}

impl Connection {
    async fn work(self, requests: Arc<Vec<String>>, next: Arc<AtomicUsize>) -> Outcome<(Vec<Duration>, Option<Value>)> {
        let (mut latencies, mut last) = (Vec::new(), None);
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let mut answer = self.call(request).await?;
            latencies.push(begun.elapsed());
            if answer["result"]["success"] != Value::Bool(true) {
                return Err(format!("not sponsored: {answer}").into());
            }
            last = Some(answer["result"]["userOperation"].take());
        }
        Ok((latencies, last))
    }

    async fn call(&self, request: &str) -> Outcome<Value> {
        let sent = self.client.post(&self.rpc).header("Content-Type", "application/json").body(request.to_owned());
        Ok(sent.send().await?.error_for_status()?.json().await?)
    }
}
