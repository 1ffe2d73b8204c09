//! Every file, folder and function that the pages name exists.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::markdown::{anchors, blocks, code_spans, link_targets, outside_fences};
use super::project;

#[test]
fn every_path_that_architecture_and_request_cycle_name_exists() {
    let there = project::paths();
    for page in ["docs/architecture.md", "docs/request-cycle.md"] {
        let text = project::read(page);
        let named = named_paths(&text);
        assert!(named.len() > 10, "{page} names only {named:?}");
        let missing: Vec<_> = named.iter().filter(|path| !is_there(path, &there)).collect();
        assert!(missing.is_empty(), "{page} names what is not there: {missing:?}");
    }
}

#[test]
fn every_link_of_every_page_leads_to_a_file_and_its_heading() {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md" || extension == "txt");
    let pages = project::paths().into_iter().filter(is_page);
    let mut dead = Vec::new();
    for page in pages {
        let text = project::read(page.to_str().unwrap());
        let targets = outside_fences(&text).flat_map(|(_, line)| link_targets(line));
        let lost = targets.filter(|target| !leads_somewhere(&page, &text, target));
        dead.extend(lost.map(|target| format!("{}: {target}", page.display())));
    }
    assert!(dead.is_empty(), "links to what is not there:\n{}", dead.join("\n"));
}

/// A merge can take in the same section twice; links lead to the first only.
#[test]
fn no_page_has_a_section_twice() {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let mut twice = Vec::new();
    for page in project::paths().into_iter().filter(is_page) {
        let text = project::read(page.to_str().unwrap());
        let mut seen = HashSet::new();
        let again = anchors(&text).filter(|anchor| !seen.insert(anchor.clone()));
        twice.extend(again.map(|anchor| format!("{}#{anchor}", page.display())));
    }
    assert!(twice.is_empty(), "sections that a page has twice: {twice:?}");
}

/// In the request cycle functions follow their file: `file.rs` `one()`, `another()`.
#[test]
fn every_function_of_the_request_cycle_is_in_its_file() {
    let page = project::read("docs/request-cycle.md");
    let mut checked = 0;
    let mut missing = Vec::new();
    for line in page.lines() {
        let mut source: Option<(&str, String)> = None;
        for span in code_spans(line) {
            if span.ends_with(".rs") {
                source = Some((span, project::read(span)));
            } else if let (Some(name), Some((file, text))) = (span.strip_suffix("()"), &source) {
                checked += 1;
                if !defines(text, name) {
                    missing.push(format!("{file}: {name}()"));
                }
            }
        }
    }
    assert!(checked > 40, "only {checked} functions are named");
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
}

fn defines(source: &str, function: &str) -> bool {
    source.contains(&format!("fn {function}(")) || source.contains(&format!("fn {function}<"))
}

/// Text that looks like a path, in backticks or in a tree; API routes begin with a slash and do
/// not count.
fn named_paths(page: &str) -> Vec<String> {
    let is_of_a_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let trees = blocks(page).into_iter().filter(|block| block.info.is_empty()).map(|block| block.text);
    let spans = page.lines().filter(|line| !line.starts_with("```")).flat_map(code_spans).map(str::to_owned);
    let code: Vec<String> = trees.chain(spans).collect();
    let words = code.iter().flat_map(|code| code.split_whitespace());
    let paths = words.filter(|word| word.contains('/') && !word.starts_with('/') && word.chars().all(is_of_a_path));
    paths.map(str::to_owned).collect()
}

/// A page may omit the beginning of a path.
fn is_there(path: &str, there: &[PathBuf]) -> bool {
    let path = Path::new(path.trim_end_matches('/'));
    there.iter().any(|known| known.ends_with(path))
}

fn leads_somewhere(page: &Path, text: &str, target: &str) -> bool {
    if target.starts_with("http") {
        return true;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = page.parent().unwrap().join(file);
    let has = |text: &str| anchor.is_empty() || anchors(text).any(|known| known == anchor);
    if file.is_empty() {
        return has(text);
    }
    let is_page = path.extension().is_some_and(|extension| extension == "md");
    project::root().join(&path).exists() && (!is_page || has(&project::read(path.to_str().unwrap())))
}
