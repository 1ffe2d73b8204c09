//! A TEE session that opens slowly, like a device's first one, or like any whose supplicant is
//! gone.

use std::io::Write as _;
use std::process::Command;

use serde_json::json;

use crate::support::{Process, eventually, write_configuration};

#[tokio::test]
async fn a_session_that_does_not_open_shows_in_log_and_probes_and_one_that_opens_late_is_served() {
    let folder = tempfile::tempdir().unwrap();
    // The simulator waits for its key, as OP-TEE may wait for its supplicant.
    let key = folder.path().join("simulator.key");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&key).status().unwrap().success());
    let file = folder.path().join("kms.toml");
    let configuration = json!({
        "listen": { "kms": "127.0.0.1:0", "ops": "127.0.0.1:0" },
        "log": { "format": "json" },
        "kms": { "data_dir": folder.path(), "tee_stuck_after_ms": 500, "tee_hung_after_seconds": 20 },
    });
    write_configuration(&configuration, &file);
    let process = Process::begin("kms", &file).await;
    let ask = async |path: &str| {
        let answer = devkit::http::get(format!("{}{path}", process.url("ops"))).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    eventually(async || ask("/readyz").await.1.contains("the TEE's session is being opened").then_some(())).await;
    assert_eq!(ask("/readyz").await.0, 503);
    assert_eq!(ask("/livez").await.0, 200);
    let said = || process.log().join("\n").contains("the TEE session is still being opened");
    eventually(async || said().then_some(())).await;
    let reason = eventually(async || Some(ask("/livez").await).filter(|answer| answer.0 == 503)).await.1;
    assert!(reason.contains("the TEE's session is being opened"), "{reason}");

    let mut bytes = [0x17; 33];
    bytes[32] = 0;
    std::fs::OpenOptions::new().write(true).open(&key).unwrap().write_all(&bytes).unwrap();
    eventually(async || (ask("/readyz").await.0 == 200).then_some(())).await;
    assert_eq!(ask("/livez").await.0, 200);
    let log = process.log();
    let opened: Vec<_> = log.iter().filter(|line| line.contains("a TEE session is open")).collect();
    assert_eq!(opened.len(), 1);
    assert!(opened[0].contains(r#""storage":"none""#) && opened[0].contains(r#""measurement":"0x"#), "{}", opened[0]);
}
