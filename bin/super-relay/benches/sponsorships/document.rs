//! The figures as a part of a page, between two marks, and the chart beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::chart;
use crate::figures::Figures;
use crate::round::{Load, Round};

const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Replaces the figures of that page, and the chart of the same name.
pub fn write(page: &Path, figures: &Figures) -> Outcome<()> {
    let text = fs::read_to_string(page)?;
    let marks = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| format!("{} has no marks for figures", page.display()))?;
    let chart = page.with_extension("svg");
    let name = chart.file_name().ok_or("a page without a name")?.to_string_lossy();
    let figure = format!("![CPU time for each request]({name})\n\n");
    fs::write(page, [before, BEGIN, &figure, &tables(figures)?, END, after].concat())?;
    Ok(fs::write(chart, chart::of(figures)?)?)
}

fn tables(figures: &Figures) -> Outcome<String> {
    let mut text = String::new();
    writeln!(text, "The floor, the cryptography of one sponsorship: {} µs.\n", micros(figures))?;
    writeln!(
        text,
        "| connections | open reservations | requests per second | p50, ms | p99, ms | core busy | CPU per request, ms | in floors |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|")?;
    for round in figures.rounds.iter().chain([&figures.half]) {
        let load = match round.load_by {
            Load::Connections(connections) => connections.to_string(),
            Load::Rate(_) => "half load".to_owned(),
        };
        writeln!(
            text,
            "| {load} | {} | {:.0} | {} | {} | {:.0}% | {:.2} | {:.1} |",
            round.living,
            round.per_second(),
            millis(round, 50),
            millis(round, 99),
            100.0 * round.busy(),
            1000.0 * round.cpu(),
            figures.floors(round),
        )?;
    }
    if !figures.others.is_empty() {
        writeln!(text, "\n| beside it, on the same core | connections | CPU per request, ms | in that of the node |")?;
        writeln!(text, "|---|---|---|---|")?;
    }
    for other in &figures.others {
        let cpu = 1000.0 * other.sent.each(other.cpu.total());
        let times = figures.times(other).ok_or("no round at the same load")?;
        writeln!(text, "| {} | {} | {cpu:.2} | {times:.1} |", other.name, other.connections)?;
    }
    writeln!(text, "\n| sponsorships | connections | resident memory of the node, MiB |\n|---|---|---|")?;
    for memory in &figures.memory {
        writeln!(text, "| {} | {} | {:.0} |", memory.sponsorships, memory.connections, memory.mebibytes)?;
    }
    Ok(text)
}

fn micros(figures: &Figures) -> u128 {
    figures.floor.cryptography().as_micros()
}

fn millis(round: &Round, percent: usize) -> String {
    format!("{:.1}", 1000.0 * round.sent.percentile(percent).as_secs_f64())
}
