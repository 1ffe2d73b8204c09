//! The chart: CPU per request as bars, in SVG.

use std::fmt::Write as _;

use crate::Outcome;
use crate::figures::Figures;
use crate::round::Load;

const WIDTH: f64 = 720.0;
/// Before the bars, for their names.
const NAMES: f64 = 270.0;
/// After the longest bar, for its value.
const VALUES: f64 = 80.0;
const ROW: f64 = 28.0;
const BAR: f64 = 18.0;
const MARGIN: f64 = 40.0;

struct Bar {
    name: String,
    milliseconds: f64,
    colour: &'static str,
}

/// The chart of a run.
pub fn of(figures: &Figures) -> Outcome<String> {
    let bars = bars(figures);
    let longest = bars.iter().map(|bar| bar.milliseconds).fold(f64::MIN_POSITIVE, f64::max);
    let mut height = MARGIN;
    let mut rows = String::new();
    for Bar { name, milliseconds, colour } in &bars {
        let (length, middle) = (milliseconds / longest * (WIDTH - NAMES - VALUES), height + ROW / 2.0 + 4.0);
        writeln!(rows, r#"<text x="{}" y="{middle}" text-anchor="end">{name}</text>"#, NAMES - 10.0)?;
        let top = height + (ROW - BAR) / 2.0;
        writeln!(rows, r#"<rect x="{NAMES}" y="{top}" width="{length:.1}" height="{BAR}" fill="{colour}"/>"#)?;
        writeln!(rows, r#"<text x="{:.1}" y="{middle}">{milliseconds:.2} ms</text>"#, NAMES + length + 8.0)?;
        height += ROW;
    }
    height += ROW / 2.0;
    let title = "CPU time for each request, on one core";
    Ok(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">
<style>text {{ font: 13px sans-serif; fill: #24292f }} .title {{ font-weight: 600 }}</style>
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text class="title" x="10" y="24">{title}</text>
{rows}</svg>
"##
    ))
}

fn bars(figures: &Figures) -> Vec<Bar> {
    let floor = figures.floor.cryptography().as_secs_f64();
    let mut bars = vec![Bar { name: "the cryptography alone".into(), milliseconds: 1000.0 * floor, colour: "#8c959f" }];
    for round in &figures.rounds {
        let Load::Connections(connections) = round.load_by else { continue };
        let name = format!("super-relay, {connections} connections, {} open", round.living);
        bars.push(Bar { name, milliseconds: 1000.0 * round.cpu(), colour: "#0969da" });
    }
    for other in &figures.others {
        let milliseconds = 1000.0 * other.sent.each(other.cpu.total());
        bars.push(Bar { name: other.name.to_owned(), milliseconds, colour: "#bf8700" });
    }
    bars
}
