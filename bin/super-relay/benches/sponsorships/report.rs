//! The printed report.

use std::fmt::Display;
use std::time::Duration;

use crate::cores::Cores;
use crate::floor::Floor;
use crate::operation::VERSION;
use crate::round::{Round, STAGES};

/// The node's threads by purpose: prefixes of their names, as the kernel lists them.
const TRUSTED_CORE: &str = "tee";
const SQLITE: &str = "sqlx-sqlite";

/// Prints what is measured.
pub fn begin(cores: &Cores, requests: usize) {
    line(format_args!("pm_sponsor_with_tee over HTTP, EntryPoint v{VERSION}, {requests} requests a round"));
    line(format_args!("the node alone on core {}; load and chain on core {}\n", cores.node, cores.load));
}

/// The floor, part by part.
pub fn floor(floor: &Floor) {
    line("the floor, one sponsorship on one core, µs");
    row("  1 P-256 verification (user)", micros(floor.verify));
    row("  1 secp256k1 recovery (relay's approval)", micros(floor.recover));
    row("  3 secp256k1 signatures (relay, paymaster, account)", micros(floor.sign * Floor::SIGNATURES));
    row("  hashes, each once (Keccak-256, SHA-256)", micros(floor.hashes));
    row("cryptography: the floor", micros(floor.cryptography()));
    row("on top, gateway 3 and relay 1 recoveries", micros(floor.checked_again()));
    row("Core::handle of a Sponsor frame alone", micros(floor.core));
    line("");
}

/// The rounds: throughput, time per stage, CPU time per part.
pub fn rounds(rounds: &[Round], floor: &Floor) {
    each("connections", rounds, |round| round.connections.to_string());
    each("sponsorships reserved before", rounds, |round| round.living.to_string());
    each("requests per second", rounds, |round| {
        format!("{:.0}", per(round, Duration::as_secs_f64(&round.sent.took)).recip())
    });
    each("latency, median, ms", rounds, |round| millis(percentile(round, 50)));
    each("latency, 99th percentile, ms", rounds, |round| millis(percentile(round, 99)));
    each("the node's core busy, %", rounds, |round| {
        format!("{:.0}", 100.0 * round.node.total().as_secs_f64() / round.sent.took.as_secs_f64())
    });

    line("\nmean time of a stage, waiting included, ms");
    for (index, stage) in STAGES.iter().enumerate() {
        each(&format!("  {stage}"), rounds, |round| millis(round.stages[index]));
    }
    each("  the TEE's part of sign", rounds, |round| millis(round.tee));

    line("\nCPU per request, ms");
    each("node", rounds, |round| cpu(round, round.node.total()));
    each("  in user space", rounds, |round| cpu(round, round.node.user));
    each("  in the kernel", rounds, |round| cpu(round, round.node.system));
    each("  of it the trusted core's thread", rounds, |round| cpu(round, round.node.of_threads(TRUSTED_CORE)));
    each("  of it SQLite's threads", rounds, |round| cpu(round, round.node.of_threads(SQLITE)));
    each("anvil", rounds, |round| cpu(round, round.chain.total()));
    each("load", rounds, |round| cpu(round, round.load.total()));

    line("");
    each("the node's CPU, in floors of cryptography", rounds, |round| {
        let request = per(round, round.node.total().as_secs_f64());
        format!("{:.1}", request / floor.cryptography().as_secs_f64())
    });
}

/// Prints the error.
#[expect(clippy::print_stderr, reason = "a failing benchmark reports its error")]
pub fn failure(error: &(impl Display + ?Sized)) {
    eprintln!("the benchmark failed: {error}");
}

#[expect(clippy::print_stdout, reason = "the report is what a benchmark is for")]
fn line(text: impl Display) {
    println!("{text}");
}

fn row(name: &str, value: String) {
    line(format_args!("{name:<52}{value:>9}"));
}

fn each(name: &str, rounds: &[Round], value: impl Fn(&Round) -> String) {
    let values: String = rounds.iter().map(|round| format!("{:>9}", value(round))).collect();
    line(format_args!("{name:<52}{values}"));
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per(round: &Round, seconds: f64) -> f64 {
    seconds / round.sent.latencies.len() as f64
}

fn percentile(round: &Round, percent: usize) -> Duration {
    let latencies = &round.sent.latencies;
    latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)]
}

fn cpu(round: &Round, used: Duration) -> String {
    format!("{:.2}", 1000.0 * per(round, used.as_secs_f64()))
}

fn millis(time: Duration) -> String {
    format!("{:.2}", 1000.0 * time.as_secs_f64())
}

fn micros(time: Duration) -> String {
    format!("{:.1}", 1_000_000.0 * time.as_secs_f64())
}
