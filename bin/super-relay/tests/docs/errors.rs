//! The tables of errors in docs/api.md are those of the code.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use proto::Status;

use super::markdown::table;
use super::project;
use super::source::{arms, triples};
use super::stub_kms::RefusingRelay;

const PAGE: &str = "docs/api.md";
const RPC_ERRORS: &str = "crates/paymaster-relay/src/rpc/error.rs";
const POLICY_RULES: &str = "crates/paymaster-relay/src/policy/rules.rs";
const HTTP_ERRORS: &str = "crates/kms-gateway/src/http/error.rs";
const GATEWAY_ERRORS: &str = "crates/kms-gateway/src/gateway/error.rs";

/// By reason: code and whether to try again, as the page has them.
type Rows = BTreeMap<String, (String, bool)>;

#[test]
fn the_reasons_of_the_relay_are_those_of_its_table() {
    let source = project::read(RPC_ERRORS);
    let code = |word: &str| match source.split_once(&format!("const {word}: i32 = ")) {
        Some((_, value)) => value.split(';').next().unwrap().to_owned(),
        None => word.to_owned(),
    };
    let own = triples(&source).into_iter().filter(|(_, _, again)| matches!(*again, "true" | "false"));
    let mut rows: Rows =
        own.map(|(first, reason, again)| (reason.to_owned(), (code(first), again == "true"))).collect();
    for reason in arms(&project::read(POLICY_RULES), "reason").values() {
        let paymaster = (code("REJECTED_BY_PAYMASTER"), false);
        rows.entry(reason.trim_matches('"').to_owned()).or_insert(paymaster);
    }
    assert_eq!(shown("### Reasons of the relay"), rows);
}

#[test]
fn the_codes_of_the_kms_are_those_of_its_tables() {
    let (http, gateway) = (project::read(HTTP_ERRORS), project::read(GATEWAY_ERRORS));
    let edge = triples(&http).into_iter().filter(|(first, ..)| first.starts_with("StatusCode::"));
    let mut rows: Rows = edge
        .map(|(first, code, _)| {
            let again = http.contains(&format!("retryable: true, ..Self::refusal({first}, \"{code}\""));
            (code.to_owned(), (status_code(first), again))
        })
        .collect();
    let (statuses, retryable) = (arms(&http, "status_of"), arms(&gateway, "is_retryable"));
    for (variant, code) in arms(&gateway, "code") {
        if let Some(code) = code.strip_prefix('"') {
            let again = retryable.get(variant) == Some(&"true");
            rows.insert(code.trim_end_matches('"').to_owned(), (status_code(statuses[variant]), again));
        }
    }
    assert_eq!(shown("### Codes of the KMS"), rows);
}

#[tokio::test]
async fn the_reasons_of_the_trusted_application_are_all_there_with_both_codes() {
    let source = project::read(HTTP_ERRORS);
    let statuses = arms(&source, "status_of_refusal");
    let relay = RefusingRelay::start().await;
    let mut rows = Vec::new();
    for status in Status::ALL.iter().filter(|status| **status != Status::Ok) {
        let error = relay.error_for(*status).await;
        let (code, reason) = (&error["code"], error["data"]["reason"].as_str().unwrap());
        assert_eq!(error["data"]["retryable"], status.is_retryable(), "{status:?}");
        let over_rpc = if reason == status.reason() { code.to_string() } else { format!("{code} {reason}") };
        let over_http = status_code(statuses[format!("{status:?}").as_str()]);
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

/// The number of `StatusCode::BAD_REQUEST`.
fn status_code(name: &str) -> String {
    let name = name.trim_start_matches("StatusCode::");
    let is_called_so = |code: &StatusCode| {
        let reason = code.canonical_reason().unwrap_or_default();
        reason.to_uppercase().replace([' ', '-'], "_") == name
    };
    let code = (100..600).filter_map(|code| StatusCode::from_u16(code).ok()).find(is_called_so);
    code.unwrap_or_else(|| panic!("no HTTP status is called {name}")).as_u16().to_string()
}
