//! docs/architecture.md lists the modules of the relay from the top down.

use std::collections::{BTreeMap, BTreeSet};

use super::circles::{crates, graph};
use super::markdown::table;
use super::project;

const PAGE: &str = "docs/architecture.md";

#[test]
fn a_module_of_the_relay_imports_only_modules_of_later_rows() {
    let modules = &crates()["paymaster-relay"];
    let rows = table(&project::read(PAGE), "## Inside paymaster-relay");
    let row_of: BTreeMap<_, _> =
        rows.iter().enumerate().flat_map(|(row, cells)| cells[0].split(", ").map(move |name| (name, row))).collect();

    let top = modules.keys().filter(|path| path.len() == 1).map(|path| path[0].as_str());
    assert_eq!(row_of.keys().copied().collect::<BTreeSet<_>>(), top.collect(), "left: {PAGE}, right: the code");

    let graph = graph(modules);
    let siblings = graph.iter().filter(|(user, _)| !user.contains("::"));
    let imports = siblings.flat_map(|(user, used)| used.iter().map(move |used| (user.as_str(), used.as_str())));
    let upward: Vec<_> = imports.filter(|(user, used)| row_of[user] >= row_of[used]).collect();
    assert!(upward.is_empty(), "not of a later row: {upward:?}");
}
