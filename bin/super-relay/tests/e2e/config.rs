//! The binary's messages about its configuration, and the refusals of the production profile.

mod files;
mod refused;
mod surroundings;

use std::process::Output;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Ground, PASSPHRASE, Setup, World, project, run, run_in, write_configuration};

#[tokio::test]
async fn a_valid_configuration_is_summarised() {
    let ground = Setup::of(V07).prepare().await;
    let says = async |change: fn(&mut Value)| {
        let file = written(&ground, change);
        let output = run(&["config", "check", "--offline", "--config", &file]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };

    let whole = "valid for the development profile: `node` serves relay, kms and ops; `kms` serves kms and ops\n";
    assert_eq!(says(|_| ()).await, whole);
    let relay = says(|configuration| {
        configuration["remote_kms"] = json!({ "urls": ["https://a.example", "https://b.example"] });
        without(configuration, "kms");
    });
    assert_eq!(relay.await, "valid for the development profile: `node` serves relay and ops (kms elsewhere: 2)\n");
    let kms = says(|configuration| {
        // It does not listen for a relay that is not configured.
        listen(configuration, "rpc", "127.0.0.1:9", "ops", "127.0.0.1:9");
        without(configuration, "relay");
    });
    assert_eq!(kms.await, "valid for the development profile: `kms` serves kms and ops\n");
}

#[tokio::test]
async fn a_check_is_a_start_without_serving_and_changes_nothing() {
    let mut world = World::start(V07).await;
    let file = world.file("checked.toml");
    write_configuration(&world.configuration, &file);
    let check = async || run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    let output = check().await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("not checked: whether the ports are free"), "beside a running node: {said}");
    assert!(!said.contains("first start"), "{said}");

    // A relay of which nothing is there yet.
    let fresh = Setup::of(V07).prepare().await;
    std::fs::remove_file(fresh.data.path().join("relay-key.json")).unwrap();
    let before = std::fs::read_dir(fresh.data.path()).unwrap().count();
    let output = self::check(&fresh, |_| ()).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("relay.database: the first start makes a database"), "{said}");
    assert!(said.contains("relay.relay_key.file: the first start makes "), "{said}");
    assert_eq!(std::fs::read_dir(fresh.data.path()).unwrap().count(), before + 1, "the configuration alone");

    // What a start would stumble over.
    std::fs::write(world.file("relay-key.passphrase"), "wrong").unwrap();
    refused(&check().await, &["relay key", "cannot be decrypted"]);
    std::fs::write(world.file("relay-key.passphrase"), PASSPHRASE).unwrap();
    world.node.kill().await;
    for log in ["relay.sqlite-wal", "relay.sqlite-shm"] {
        // They are there as SQLite likes.
        let _ = std::fs::remove_file(world.file(log));
    }
    std::fs::write(world.file("relay.sqlite"), "no database, and more bytes than its header has, to be sure of it")
        .unwrap();
    refused(&check().await, &["relay.database", "not a database"]);
}

#[tokio::test]
async fn the_final_error_of_a_node_follows_the_log_format() {
    let ground = Setup::of(V07).prepare().await;
    let broken: [fn(&mut Value); 2] = [
        |all| all["relay"]["relay_key"]["passphrase_file"] = "nowhere".into(),
        |all| all["relay"]["validity_second"] = 300.into(),
    ];
    for change in broken {
        let output = run(&["node", "--config", &written(&ground, change)]).await;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert_eq!(lines.last().unwrap()["level"], "ERROR", "{said}");
    }
}

/// A change of a valid configuration, and the resulting message.
type Mistake = (fn(&mut Value), &'static [&'static str]);

#[tokio::test]
async fn a_log_that_goes_to_no_terminal_has_no_colours() {
    let ground = Setup::of(V07).prepare().await;
    let file = written(&ground, |configuration| {
        configuration["log"]["format"] = "text".into();
        configuration["relay"]["relay_key"]["passphrase_file"] = "nowhere".into();
    });

    let output = run(&["node", "--config", &file]).await;

    refused(&output, &["INFO", "operations are served"]);
    assert!(!output.stderr.contains(&0x1b), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_node_does_not_start_in_the_production_profile_over_the_simulator() {
    let ground = Setup::of(V07).prepare().await;
    let file = written(&ground, |configuration| {
        configuration["profile"] = "production".into();
        configuration["relay"]["rp_id"] = "example.org".into();
        configuration["kms"]["rp_id"] = "example.org".into();
        configuration["kms"]["origins"] = json!(["https://example.org"]);
    });

    refused(&run(&["node", "--config", &file]).await, &["production", "simulator"]);
}

#[tokio::test]
async fn a_relay_key_opens_with_its_own_passphrase_only() {
    let ground = Setup::of(V07).prepare().await;
    let file = written(&ground, |_| ());
    let address = run(&["get-signer-address", "--config", &file]).await;
    assert!(address.status.success(), "{}", String::from_utf8_lossy(&address.stderr));
    let passphrase = ground.data.path().join("relay-key.passphrase");

    std::fs::write(&passphrase, "wrong").unwrap();
    refused(&run(&["node", "--config", &file]).await, &["relay key", "cannot be decrypted"]);
    std::fs::write(&passphrase, "").unwrap();
    refused(&run(&["node", "--config", &file]).await, &["relay key", "no passphrase"]);

    std::fs::write(&passphrase, PASSPHRASE).unwrap();
    let again = run(&["get-signer-address", "--config", &file]).await;
    assert_eq!(again.stdout, address.stdout);
}

#[tokio::test]
async fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let ground = Setup::of(V07).prepare().await;
    let file = written(&ground, |_| ());
    let arguments = ["config", "check", "--offline", "--config", &file];
    let environment = [("SUPER_RELAY__LISTEN__RPC", "by the environment")];

    refused(&run_in(&environment, &arguments).await, &["listen.rpc"]);
    let flag = ["--set", "listen.rpc=127.0.0.1:0"];
    let output = run_in(&environment, &[&arguments[..], &flag].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_environment_sets_an_entry_of_a_list_by_its_number() {
    let ground = Setup::of(V07).prepare().await;
    let file = written(&ground, |all| all["relay"]["bundler"] = json!({ "urls": ["http://127.0.0.1:1"] }));
    let arguments = ["config", "check", "--offline", "--config", &file];
    assert!(run_in(&[], &arguments).await.status.success());
    let environment = [("SUPER_RELAY__RELAY__BUNDLER__URLS__0", "nowhere")];
    refused(&run_in(&environment, &arguments).await, &["relay.bundler.urls"]);
}

#[tokio::test]
async fn a_development_node_without_allowed_origins_is_called_by_every_page() {
    let world = World::start(V07).await;
    assert!(world.configuration["relay"]["rpc"]["allowed_origins"].is_null());
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" });
    let request = devkit::http::client().post(world.node.url("rpc")).header("origin", "https://dapp.example");
    let answer = request.json(&call).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.json::<Value>().await.unwrap()["result"], "0x7a69");
}

#[tokio::test]
async fn the_configurations_that_come_with_it_are_valid() {
    let mut count = 0;
    for entry in std::fs::read_dir(project().join("config")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let output = run(&["config", "check", "--offline", "--config", file.to_str().unwrap()]).await;
            // The last check: everything else is valid.
            if file.ends_with("production-kms.toml") && !cfg!(feature = "optee") {
                refused(&output, &["`kms.tee`", "--features optee"]);
            } else {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            count += 1;
        }
    }
    assert_eq!(count, 3);
}

fn listen(configuration: &mut Value, one: &str, first: &str, other: &str, second: &str) {
    configuration["listen"][one] = first.into();
    configuration["listen"][other] = second.into();
}

fn without(configuration: &mut Value, key: &str) {
    configuration.as_object_mut().unwrap().remove(key);
}

async fn check(ground: &Ground, change: impl FnOnce(&mut Value)) -> Output {
    run(&["config", "check", "--config", &written(ground, change)]).await
}

fn written(ground: &Ground, change: impl FnOnce(&mut Value)) -> String {
    let mut configuration = ground.configuration.clone();
    change(&mut configuration);
    let file = ground.data.path().join("checked.toml");
    write_configuration(&configuration, &file);
    file.to_str().unwrap().to_owned()
}

/// Exit status 1, and one sentence for the person who started it.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{said}");
    }
}
