//! What the binary says about its configuration, and what the production profile does not start.

use std::process::Output;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Ground, PASSPHRASE, Setup, project, run, run_in, write_configuration};

#[tokio::test]
async fn a_good_configuration_is_said_to_be_valid() {
    let ground = Setup::of(V07).prepare().await;

    let output = check(&ground, |_| ()).await;

    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "the configuration is valid\n");
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_the_nearest_known_one_named() {
    let ground = Setup::of(V07).prepare().await;

    let output = check(&ground, |configuration| configuration["relay"]["validity_second"] = 300.into()).await;

    refused(&output, &["`relay.validity_second`", "`relay.validity_seconds`"]);
}

#[tokio::test]
async fn the_production_profile_refuses_what_protects_nothing() {
    let ground = Setup::of(V07).prepare().await;
    let production = |configuration: &mut Value| {
        configuration["profile"] = "production".into();
        configuration["remote_kms"] = json!({ "urls": ["https://kms.example"] });
        configuration["relay"]["rpc"] = json!({ "api_key_hashes": ["00".repeat(32)] });
    };
    let without = |configuration: &mut Value, key: &str| {
        configuration.as_object_mut().unwrap().remove(key);
    };

    refused(&check(&ground, production).await, &["production", "simulator"]);
    let with_bootstrap = |configuration: &mut Value| {
        production(configuration);
        without(configuration, "kms");
    };
    refused(&check(&ground, with_bootstrap).await, &["production", "bootstrap"]);
    let without_authentication = |configuration: &mut Value| {
        production(configuration);
        without(configuration, "kms");
        without(configuration, "bootstrap");
        configuration["relay"]["rpc"]["api_key_hashes"] = json!([]);
    };
    refused(&check(&ground, without_authentication).await, &["production", "api_key_hashes"]);
    let sound = |configuration: &mut Value| {
        production(configuration);
        without(configuration, "kms");
        without(configuration, "bootstrap");
    };
    assert!(check(&ground, sound).await.status.success());
}

#[tokio::test]
async fn a_node_does_not_start_in_the_production_profile_over_the_simulator() {
    let ground = Setup::of(V07).prepare().await;
    let file = written(&ground, |configuration| configuration["profile"] = "production".into());

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
    let arguments = ["config", "check", "--config", &file];
    let environment = [("SUPER_RELAY__LISTEN__RPC", "by the environment")];

    refused(&run_in(&environment, &arguments).await, &["listen.rpc"]);
    let flag = ["--set", "listen.rpc=127.0.0.1:0"];
    let output = run_in(&environment, &[&arguments[..], &flag].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_configurations_that_come_with_it_are_valid() {
    let mut count = 0;
    for entry in std::fs::read_dir(project().join("config")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let output = run(&["config", "check", "--config", file.to_str().unwrap()]).await;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            count += 1;
        }
    }
    assert!(count > 0);
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
