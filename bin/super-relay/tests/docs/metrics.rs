//! The metrics in docs/operations.md are those of the code.

use std::collections::BTreeSet;

use super::project;

/// How a metric's name ends: its unit, or what it counts (Prometheus' naming conventions).
const ENDS: [&str; 7] = ["_total", "_seconds", "_gwei", "_open", "_depth", "_size", "_blocks"];

fn names<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    words.filter(|word| ENDS.iter().any(|end| word.ends_with(end))).collect()
}

#[test]
fn the_table_of_metrics_has_those_of_the_code() {
    let page = project::read("docs/operations.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| metric |")).take_while(|line| line.starts_with('|'));
    let cells = rows.skip(2).filter_map(|row| row.split('|').nth(1));
    let shown = names(cells.flat_map(|cell| cell.split(|c: char| !c.is_ascii_lowercase() && c != '_')));

    let sources: Vec<String> = project::paths()
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .filter(|path| path.components().any(|part| part.as_os_str() == "src"))
        .map(|path| project::read(path.to_str().unwrap()))
        .filter(|source| source.contains("use prometheus::"))
        .collect();
    // Only names stand in quotes with nothing beside.
    let quoted = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let registered = names(quoted.filter(|text| text.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
    assert!(registered.len() > 10, "{registered:?}");
    assert_eq!(shown, registered);
}
