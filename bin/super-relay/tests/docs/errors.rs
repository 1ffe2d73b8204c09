//! The tables of errors in docs/api.md are those of the code.

use std::collections::BTreeMap;

use kms_api::Reason;
use paymaster_relay::policy::Violation;
use proto::Status;

use super::markdown::table;
use super::project;
use super::source::triples;
use super::stub_kms::RefusingRelay;

const PAGE: &str = "docs/api.md";
/// The codes, and the two tables.
const RPC_ERRORS: [&str; 3] = ["mod", "edge", "table"];

/// By reason: code and whether to try again, as the page has them.
type Rows = BTreeMap<String, (String, bool)>;

#[test]
fn the_reasons_of_the_relay_are_those_of_its_table() {
    let source = RPC_ERRORS.map(|file| project::read(&format!("crates/paymaster-relay/src/rpc/error/{file}.rs")));
    let source = source.concat();
    let code = |word: &str| match source.split_once(&format!("const {word}: i32 = ")) {
        Some((_, value)) => value.split(';').next().unwrap().to_owned(),
        None => word.to_owned(),
    };
    let own = triples(&source).into_iter().filter(|(_, _, again)| matches!(*again, "true" | "false"));
    let mut rows: Rows =
        own.map(|(first, reason, again)| (reason.to_owned(), (code(first), again == "true"))).collect();
    for reason in Violation::REASONS {
        let paymaster = (code("REJECTED_BY_PAYMASTER"), Violation::PASSING.contains(reason));
        rows.entry((*reason).to_owned()).or_insert(paymaster);
    }
    assert_eq!(shown("### Reasons of the relay"), rows);
}

#[test]
fn the_codes_of_the_kms_are_those_of_its_table() {
    let row = |reason: &Reason| {
        let (name, status) = (reason.as_str().to_owned(), reason.http_status().to_string());
        (name, (status, reason.is_retryable()))
    };
    assert_eq!(shown("### Codes of the KMS"), Reason::OWN.iter().map(row).collect());
}

#[tokio::test]
async fn the_reasons_of_the_trusted_application_are_all_there_with_both_codes() {
    let relay = RefusingRelay::start().await;
    let mut rows = Vec::new();
    for status in Status::ALL.iter().filter(|status| **status != Status::Ok) {
        let error = relay.error_for(*status).await;
        let (code, reason) = (&error["code"], error["data"]["reason"].as_str().unwrap());
        let is_retryable = status.is_retryable() || reason == "kms_unavailable";
        assert_eq!(error["data"]["retryable"], is_retryable, "{status:?}");
        let over_rpc = if reason == status.reason() { code.to_string() } else { format!("{code} {reason}") };
        let over_http = Reason::Tee(*status).http_status().to_string();
        rows.push(vec![status.reason().to_owned(), over_http, over_rpc, status.to_string()]);
    }
    let wanted: Vec<_> = rows.iter().map(|row| format!("| `{}` | {} |", row[0], row[1..].join(" | "))).collect();
    let shown = table(&project::read(PAGE), "### Reasons of the trusted application");
    assert!(shown == rows, "{PAGE} should have:\n{}", wanted.join("\n"));
}

/// Rows of `reason | code | again | ...`.
fn shown(heading: &str) -> Rows {
    let rows = table(&project::read(PAGE), heading).into_iter();
    rows.map(|row| (row[0].clone(), (row[1].clone(), row[2] == "yes"))).collect()
}
