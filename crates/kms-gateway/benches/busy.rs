//! Compares the time until a "busy" refusal while the TEE is stuck with that of a served
//! sponsorship, both over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(dead_code, unused_imports, reason = "of what the tests share, this needs a part")]

#[path = "../tests/gateway/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kms_gateway::transport::WorkerOptions;
use support::{Gate, GatedTee, Kms, OPTIONS};

const REQUESTS: usize = 1000;

#[tokio::main]
async fn main() {
    let gate = Gate::default();
    let options = WorkerOptions { stuck_after: Duration::from_millis(200), ..OPTIONS };
    let kms = Kms::over_tee(Arc::new(GatedTee::with_options(options, gate.clone()))).await;
    let mut request = kms.honest_request().await;
    let mut served = Vec::new();
    for _ in 0..REQUESTS {
        request = request.next(&kms.relay);
        let asked = Instant::now();
        kms.sponsor(&request).await.ok();
        served.push(asked.elapsed());
    }
    gate.shut();
    let stuck = request.next(&kms.relay);
    let waiting = tokio::spawn(stuck.over_http(&kms).send());
    while !kms.gateway.queue_stats().breaker_open {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let request = stuck.next(&kms.relay);
    let mut refused = Vec::new();
    for _ in 0..REQUESTS {
        let asked = Instant::now();
        kms.sponsor(&request).await.refused(503, "tee_busy");
        refused.push(asked.elapsed());
    }
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);

    let (served, refused) = (Quantiles::of(served), Quantiles::of(refused));
    println!("a sponsorship, served:               {served}");
    println!("refused as busy while the TEE is stuck: {refused}");
    println!("busy / served, p50:                  {:.2}", refused.p50.as_secs_f64() / served.p50.as_secs_f64());
}

struct Quantiles {
    p50: Duration,
    p99: Duration,
    most: Duration,
}

impl Quantiles {
    fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| samples[(samples.len() * percent / 100).min(samples.len() - 1)];
        Self { p50: at(50), p99: at(99), most: at(100) }
    }
}

impl std::fmt::Display for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms", ms(self.p50), ms(self.p99), ms(self.most))
    }
}
