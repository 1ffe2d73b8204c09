//! The ledger and its totals from the command line, of a running node.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Setup, TeeAccount, World, eventually, run};

async fn printed(file: &str, arguments: &[&str]) -> String {
    let output = run(&[&[arguments[0], "--config", file][..], &arguments[1..]].concat()).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

fn file_of(world: &World) -> String {
    world.file("node.toml").to_str().unwrap().to_owned()
}

async fn entries(file: &str, more: &[&str]) -> Vec<Value> {
    let text = printed(file, &[&["ledger", "--format", "json"][..], more].concat()).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn who_was_sponsored_is_printed_with_its_cost_and_transaction() {
    let quick = |configuration: &mut Value| {
        configuration["relay"]["settlement_interval_seconds"] = json!(1);
        configuration["relay"]["chain"]["confirmations"] = json!(1);
    };
    let mut world = Setup::of(V07).configure(quick).start().await;
    let file = file_of(&world);
    assert_eq!(printed(&file, &["ledger", "--format", "json"]).await, "");
    let head = printed(&file, &["ledger"]).await;
    assert!(head.starts_with("REQUESTED AT") && head.lines().count() == 1, "{head}");

    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    let handled = world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap();
    let unsent = account.operation(&world).await;
    account.sponsored(&world, &unsent).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let settled = eventually(async || entries(&file, &["--state", "settled"]).await.pop()).await;
    assert_eq!(settled["userOpHash"], answer["userOpHash"]);
    assert_eq!(settled["cost"], handled.actual_gas_cost.to_string());
    assert_eq!(settled["sender"], json!(account.sender.to_checksum(None)));
    assert_eq!((&settled["accountId"], &settled["policy"]), (&json!(account.id), &json!("default")));
    assert_eq!(settled["succeeded"], true);
    assert!(settled["worstCase"].as_str().unwrap().len() >= settled["cost"].as_str().unwrap().len());
    assert_eq!(settled["transaction"].as_str().unwrap().len(), 66);

    assert_eq!(entries(&file, &[]).await.len(), 2);
    let sender = account.sender.to_string();
    for (filter, count) in [
        (["--state", "signed"], 1),
        (["--policy", "default"], 2),
        (["--policy", "another"], 0),
        (["--sender", &sender], 2),
        (["--api-key", "0123456789abcdef"], 0),
        (["--from", "2026-01-01"], 2),
        (["--to", "2026-01-01T00:00:00Z"], 0),
        (["--chain-id", "1"], 0),
    ] {
        assert_eq!(entries(&file, &filter).await.len(), count, "{filter:?}");
    }
    let csv = printed(&file, &["ledger", "--format", "csv"]).await;
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert_eq!((lines.len(), lines[3]), (4, ""), "{csv}");
    let columns = lines[0].split(',').count();
    assert!(lines[..3].iter().all(|line| line.split(',').count() == columns), "{csv}");
    assert!(lines[1].contains(&handled.actual_gas_cost.to_string()), "{csv}");

    let usage = printed(&file, &["usage", "--by", "policy", "--format", "json"]).await;
    let usage: Value = serde_json::from_str(&usage).unwrap();
    assert_eq!((&usage["settled"], &usage["subject"]), (&json!(1), &json!("default")));
    assert_eq!(usage["cost"], handled.actual_gas_cost.to_string());
    for by in ["api-key", "month", "chain"] {
        let table = printed(&file, &["usage", "--by", by]).await;
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.contains(&handled.actual_gas_cost.to_string()), "{table}");
    }
    let later = printed(&file, &["usage", "--by", "month", "--from", "2999-01", "--format", "csv"]).await;
    assert_eq!(later.lines().count(), 1, "{later}");

    world.node.kill().await;
    world.restart().await;
    assert_eq!(entries(&file, &["--state", "settled"]).await, [settled]);
}

#[tokio::test]
async fn a_wrong_question_names_what_is_expected() {
    let world = World::start(V07).await;
    let file = file_of(&world);
    for (arguments, word) in [
        (&["ledger", "--from", "yesterday"][..], "2026-11-28"),
        (&["ledger", "--from", "2026-02-30"], "2026-11-28"),
        (&["ledger", "--state", "lost"], "released"),
        (&["ledger", "--sender", "0x12"], "--sender"),
        (&["ledger", "--format", "xml"], "csv"),
        (&["usage", "--by", "account"], "api-key"),
        (&["usage"], "--by"),
        (&["usage", "--by", "month", "--from", "2026-13"], "2026-11"),
    ] {
        let output = run(&[&[arguments[0], "--config", &file][..], &arguments[1..]].concat()).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(word), "{arguments:?}: {error}");
    }
}
