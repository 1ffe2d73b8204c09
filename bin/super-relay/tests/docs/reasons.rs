//! Every reason has a page in docs/reasons, and every page a reason. The tables of docs/api.md,
//! which [`super::errors`] compares with the code, link them.

use std::collections::{BTreeMap, BTreeSet};

use super::markdown::{link_targets, table};
use super::project;

const PAGE: &str = "docs/api.md";
const FOLDER: &str = "docs/reasons";
const PARTS: [&str; 3] = ["\n**Cause.** ", "\n**What to do.**\n\n- **", "\n**Retry.** "];

/// Whether the same request may be sent again, by reason: of each table that has it.
fn retryable() -> BTreeMap<String, BTreeSet<bool>> {
    let page = project::read(PAGE);
    let mut found: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for heading in ["### Reasons of the relay", "### Codes of the KMS"] {
        for row in table(&page, heading) {
            found.entry(row[0].clone()).or_default().insert(row[2] == "yes");
        }
    }
    for row in table(&page, "### Reasons of the trusted application") {
        let status = proto::Status::from_reason(&row[0]).unwrap();
        found.entry(row[0].clone()).or_default().insert(status.is_retryable());
    }
    found
}

#[test]
fn every_reason_has_a_page_and_every_page_a_reason() {
    let files = std::fs::read_dir(project::root().join(FOLDER)).unwrap();
    let pages: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let wanted = retryable().keys().map(|reason| format!("{reason}.md")).collect();
    assert_eq!(pages, wanted, "left: pages of {FOLDER}, right: reasons of {PAGE}");
}

#[test]
fn every_page_says_cause_remedy_and_whether_to_try_again() {
    for (reason, retryable) in retryable() {
        let path = format!("{FOLDER}/{reason}.md");
        let page = project::read(&path);
        assert!(page.starts_with(&format!("# {reason}\n\n")), "{path}: the title is the reason");
        for part in PARTS {
            assert_eq!(page.matches(part).count(), 1, "{path}: {}", part.trim());
        }
        let answer = page.split_once(PARTS[2]).unwrap().1;
        let says = if answer.starts_with("Yes") { BTreeSet::from([true]) } else { BTreeSet::from([false]) };
        assert!(answer.starts_with("Yes") || answer.starts_with("No"), "{path}: **Retry.** is Yes or No");
        assert_eq!(says, retryable, "{path}: **Retry.** is not what {PAGE} says");
    }
}

#[test]
fn the_tables_link_every_page() {
    let page = project::read(PAGE);
    let linked: BTreeSet<_> = page.lines().filter(|line| line.starts_with("| [`")).flat_map(link_targets).collect();
    for reason in retryable().into_keys() {
        let target = format!("reasons/{reason}.md");
        assert!(linked.contains(target.as_str()), "{PAGE} does not link {target}");
    }
}
