//! A TEE that lost its state: the gateway does not start, and serves no other TEE until the
//! operator allows it.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Process, run, write_configuration};

async fn tee_id(file: &Path) -> String {
    let mut process = Process::start("kms", file).await;
    let signers: Value =
        devkit::http::get(format!("{}/admin/signers", process.url("kms"))).await.unwrap().json().await.unwrap();
    process.kill().await;
    signers["teeId"].as_str().unwrap().to_string()
}

#[tokio::test]
async fn after_a_tee_lost_its_state_nothing_starts_until_the_operator_runs_forget_tee() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kms.toml");
    let configuration = json!({
        "listen": { "kms": "127.0.0.1:0", "ops": "127.0.0.1:0" },
        "log": { "format": "json" },
        "kms": { "data_dir": folder.path() },
        "bootstrap": {
            "admin_key_file": folder.path().join("admin.key"),
            "relay_signers": ["0x1111111111111111111111111111111111111111"],
            "deployments": [{
                "chain_id": 31337,
                "entry_point": "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
                "version": "0.7",
                "paymaster": "0x3333333333333333333333333333333333333333",
            }],
        },
    });
    write_configuration(&configuration, &file);
    let config = file.to_str().unwrap();
    let lost = tee_id(&file).await;
    for name in ["simulator.key", "simulator.state", "simulator.lock"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }

    let refused = run(&["kms", "--config", config]).await;
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains(&lost) && words.contains("lost its state"), "{words}");

    let other = format!("0x{}", "22".repeat(32));
    let refused = run(&["forget-tee", "--config", config, "--tee-id", &other]).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&lost));
    assert!(!run(&["kms", "--config", config]).await.status.success());

    let forgotten = run(&["forget-tee", "--config", config, "--tee-id", &lost]).await;
    assert!(forgotten.status.success(), "{}", String::from_utf8_lossy(&forgotten.stderr));
    assert_ne!(tee_id(&file).await, lost);
}
