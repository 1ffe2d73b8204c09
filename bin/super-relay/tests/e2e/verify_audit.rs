//! The check of the audit from the command line.

use devkit::EntryPointVersion::V07;
use serde_json::Value;

use crate::support::{World, run};

#[tokio::test]
async fn the_audit_of_a_running_gateway_is_checked() {
    let world = World::start(V07).await;
    let config = world.file("node.toml");
    let check = async || run(&["verify-audit", "--config", config.to_str().unwrap()]).await;
    let answer = devkit::http::get(format!("{}/stats", world.node.url("kms"))).await.unwrap();
    let stats: Value = answer.json().await.unwrap();
    let checked = check().await;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    let (rows, hash) = (stats["audit"]["rows"].as_i64().unwrap(), stats["audit"]["head"].as_str().unwrap());
    assert!(checked.status.success() && rows > 0);
    assert_eq!(said.trim(), format!("{rows} rows, head {hash}"));

    let since = async |head: &str| run(&["verify-audit", "--config", config.to_str().unwrap(), "--head", head]).await;
    assert!(since(hash).await.status.success());
    let other = since(&format!("0x{}", "17".repeat(32))).await;
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("none of them has the hash 0x1717"), "{said}");
}

#[tokio::test]
async fn without_a_gateways_database_there_is_no_audit() {
    let world = World::start(V07).await;
    let config = world.file("node.toml");
    let elsewhere = format!("kms.data_dir={}", world.file("nothing").display());
    let checked = run(&["verify-audit", "--config", config.to_str().unwrap(), "--set", &elsewhere]).await;
    assert!(!checked.status.success() && checked.stdout.is_empty());
    assert!(!world.file("nothing").exists());
}
