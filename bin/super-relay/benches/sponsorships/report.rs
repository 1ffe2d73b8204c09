//! The printed report.

use std::fmt::Display;
use std::time::Duration;

use crate::cores::Cores;
use crate::figures::Figures;
use crate::floor::Floor;
use crate::operation::VERSION;
use crate::round::{Load, Round, STAGES};

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
    row("on top: relay 1 verification, gateway 2 recoveries", micros(floor.checked_again));
    row("Core::handle of a Sponsor frame alone", micros(floor.core));
    line("");
}

/// The rounds: throughput, time per stage, CPU time per part; the other programs; memory.
pub fn figures(figures: &Figures) {
    let mut rounds: Vec<&Round> = figures.rounds.iter().collect();
    rounds.push(&figures.half);
    let rounds = &rounds[..];
    each("connections, or requests a second", rounds, |round| match round.load_by {
        Load::Connections(connections) => connections.to_string(),
        Load::Rate(per_second) => format!("{per_second:.0}/s"),
    });
    each("sponsorships reserved before", rounds, |round| round.living.to_string());
    each("requests per second", rounds, |round| format!("{:.0}", round.per_second()));
    each("latency, median, ms", rounds, |round| millis(round.sent.percentile(50)));
    each("latency, 99th percentile, ms", rounds, |round| millis(round.sent.percentile(99)));
    each("the node's core busy, %", rounds, |round| format!("{:.0}", 100.0 * round.busy()));

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
    each("the node's CPU, in floors of cryptography", rounds, |round| format!("{:.1}", figures.floors(round)));
    others(figures);
    line("\nresident memory of the node, MiB");
    for memory in &figures.memory {
        let name = format!("  {} sponsorships, {} connections", memory.sponsorships, memory.connections);
        row(&name, format!("{:.0}", memory.mebibytes));
    }
}

fn others(figures: &Figures) {
    if figures.others.is_empty() {
        return;
    }
    line("\nother programs on the node's core: CPU per request in ms; in that of the node");
    for other in &figures.others {
        let cpu = format!("{:.2}", 1000.0 * other.sent.each(other.cpu.total()));
        row(&format!("  {}, {} connections", other.name, other.connections), cpu);
        if let Some(times) = figures.times(other) {
            row("", format!("{times:.1}x"));
        }
    }
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

fn each(name: &str, rounds: &[&Round], value: impl Fn(&Round) -> String) {
    let values: String = rounds.iter().map(|round| format!("{:>9}", value(round))).collect();
    line(format_args!("{name:<52}{values}"));
}

fn cpu(round: &Round, used: Duration) -> String {
    format!("{:.2}", 1000.0 * round.sent.each(used))
}

fn millis(time: Duration) -> String {
    format!("{:.2}", 1000.0 * time.as_secs_f64())
}

fn micros(time: Duration) -> String {
    format!("{:.1}", 1_000_000.0 * time.as_secs_f64())
}
