//! Values that are refused, by a check and by a start.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use super::{Mistake, check, listen, refused, without, written};
use crate::support::{Setup, run};

#[tokio::test]
async fn an_address_that_was_mistyped_is_refused_by_its_checksum() {
    let ground = Setup::of(V07).prepare().await;
    let mistyped = check(&ground, |all| {
        all["relay"]["deployments"][0]["paymaster"] = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD".into();
        all["relay"]["deployments"][0]["entry_point"] = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed".into();
    });
    refused(&mistyped.await, &["relay.deployments", "EIP-55", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]);
}

#[tokio::test]
async fn a_hash_that_is_a_placeholder_is_refused() {
    let ground = Setup::of(V07).prepare().await;
    // Besides zeros, the hashes of an empty text and of an empty line.
    for hash in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
    ] {
        let placeholder = check(&ground, |all| all["relay"]["rpc"] = json!({ "api_key_hashes": [hash] }));
        refused(&placeholder.await, &["relay.rpc.api_key_hashes", "placeholder"]);
    }
}

#[tokio::test]
async fn a_configuration_that_serves_nothing_is_refused() {
    let ground = Setup::of(V07).prepare().await;

    refused(&run(&["config", "check"]).await, &["no file is given", "--config", "`relay` or `kms` is missing"]);
    refused(&run(&["node"]).await, &["no file is given", "--config"]);
    refused(&run(&["config", "check", "--config", "nowhere.toml"]).await, &["there is no file nowhere.toml"]);
    let no_kms = check(&ground, |configuration| without(configuration, "kms"));
    refused(&no_kms.await, &["`kms` or `remote_kms.urls` is missing"]);
}

#[tokio::test]
async fn check_and_start_refuse_with_the_same_message() {
    let ground = Setup::of(V07).prepare().await;
    let mistakes: &[Mistake] = &[
        (|all| all["kms"]["origins"] = json!(["http://localhost:1", "https://evil.example"]), &["kms.origins", "evil"]),
        (|all| all["kms"]["origins"] = json!([]), &["kms.origins"]),
        (|all| all["kms"]["origins"] = json!(["android:apk-key-hash:4E:B4"]), &["kms.origins", "expected the SHA-256"]),
        (|all| all["kms"]["rp_id"] = "example.org".into(), &["kms.origins"]),
        (|all| all["relay"]["rp_id"] = "example.org".into(), &["relay.rp_id", "kms.rp_id"]),
        (
            |all| all["kms"]["trusted_proxies"] = json!(["10.0.0.1", "ingress"]),
            &["kms.trusted_proxies", "ingress", "CIDR"],
        ),
        (|all| all["kms"]["trusted_proxies"] = json!(["0.0.0.0/0"]), &["kms.trusted_proxies", "all addresses"]),
        (
            |all| {
                let key = all["relay"]["relay_key"]["file"].clone();
                all["bootstrap"]["admin_key_file"] = key;
            },
            &["bootstrap.admin_key_file: must not be the path of relay.relay_key.file"],
        ),
        (
            |all| {
                let folder = all["kms"]["data_dir"].as_str().unwrap().to_owned();
                all["relay"]["database"] = format!("{folder}/.").into();
            },
            &["kms.data_dir: must not be the path of relay.database"],
        ),
        (
            |all| listen(all, "rpc", "127.0.0.1:9", "ops", "[::ffff:127.0.0.1]:9"),
            &["listen.rpc: must not be the address of listen.ops"],
        ),
        (|all| all["kms"]["tee_batch_length"] = 33.into(), &["kms.tee_batch_length", "1 to 32"]),
        (|all| all["kms"]["tee_batch_length"] = 0.into(), &["kms.tee_batch_length", "1 to 32"]),
        (|all| all["kms"]["tee_queue_length"] = 0.into(), &["kms.tee_queue_length"]),
        (|all| all["kms"]["tee_timeout_seconds"] = 0.into(), &["kms.tee_timeout_seconds"]),
        (
            |all| all["relay"]["relay_key"]["rotation_interval_seconds"] = 60.into(),
            &["relay.relay_key.rotation_interval_seconds", "kms.rotation_interval_seconds"],
        ),
        (|all| all["kms"]["tee_stuck_after_ms"] = 0.into(), &["kms.tee_stuck_after_ms", "above 0"]),
        (|all| all["kms"]["tee_stuck_after_ms"] = 30_000.into(), &["kms.tee_stuck_after_ms", "tee_timeout_seconds"]),
        (|all| all["kms"]["tee_hung_after_seconds"] = 2.into(), &["kms.tee_hung_after_seconds"]),
        (
            |all| all["kms"]["tee_hung_after_seconds"] = 36.into(),
            &["connections.serving_seconds", "kms.tee_timeout_seconds and kms.tee_hung_after_seconds together (60)"],
        ),
        (|all| all["kms"]["attestation_interval_ms"] = 0.into(), &["kms.attestation_interval_ms"]),
        (|all| all["kms"]["max_registrations"] = 0.into(), &["kms.max_registrations"]),
        (|all| all["kms"]["factory"]["timeout_seconds"] = 0.into(), &["kms.factory.timeout_seconds"]),
        (|all| all["relay"]["chain"]["timeout_seconds"] = 0.into(), &["relay.chain.timeout_seconds"]),
        (|all| all["relay"]["chain"]["rpc_url"] = "nowhere".into(), &["relay.chain.rpc_url", "not a URL"]),
        (|all| all["relay"]["bundler"] = json!({ "urls": ["nowhere"] }), &["relay.bundler.urls: not a URL"]),
        (
            |all| all["relay"]["bundler"] = json!({ "urls": ["http://a.example", "ws://b.example"] }),
            &["relay.bundler.urls: number 2: must be http: or https:"],
        ),
        (|all| all["relay"]["bundler"] = json!({ "urls": [] }), &["relay.bundler.urls", "at least one"]),
        (
            |all| all["relay"]["bundler"] = json!({ "urls": vec!["http://a.example"; 9] }),
            &["relay.bundler.urls: 9 are listed, and at most 8 may be"],
        ),
        (
            |all| all["relay"]["bundler"] = json!({ "urls": ["http://a.example"], "timeout_seconds": 0 }),
            &["relay.bundler.timeout_seconds", "above 0"],
        ),
        (
            |all| all["relay"]["chain"]["bundler"] = json!({ "urls": ["http://a.example"] }),
            &["relay.chain.bundler", "[relay.bundler]"],
        ),
        (|all| without(&mut all["relay"], "chain"), &["relay.chain: missing", "[[relay.chains]]"]),
        (
            |all| all["relay"]["deployments"][0]["chain_id"] = 1.into(),
            &["relay.deployments.chain_id: 1 is not one of the chains: 31337"],
        ),
        (
            |all| all["relay"]["deployments"] = many_deployments(65),
            &["relay.deployments: 65 are listed, and the ceilings of a TEE name at most 64"],
        ),
        (
            |all| all["bootstrap"]["deployments"] = on_chain(many_deployments(65)),
            &["bootstrap.deployments: 65 are listed", "at most 64"],
        ),
        (|all| all["relay"]["settlement_interval_seconds"] = 0.into(), &["relay.settlement_interval_seconds"]),
        (|all| all["relay"]["rpc"] = json!({ "max_connections": 0 }), &["relay.rpc.max_connections"]),
        (|all| all["relay"]["rpc"] = json!({ "api_key_hashes": ["00"] }), &["relay.rpc.api_key_hashes"]),
        (|all| all["relay"]["relay_key"]["passphrase_env"] = "A".into(), &["relay.relay_key", "passphrase_file"]),
        (|all| all["relay"]["policies"] = json!([]), &["relay.policies", "at least one"]),
        (|all| all["relay"]["validity_seconds"] = 0.into(), &["relay.min_validity_seconds"]),
        (|all| all["log"]["filter"] = "info,=".into(), &["log.filter"]),
        (|all| all["kms"]["tee"] = "sgx".into(), &["kms.tee", "`sgx`", "`simulator`, `optee`"]),
        (|all| all["profile"] = "staging".into(), &["profile", "`development`, `production`"]),
        (
            |all| all["kms"]["required_protection"] = json!({ "rollback": "some" }),
            &["kms.required_protection.rollback", "`none`, `secureWorld`, `hardware`"],
        ),
        (
            |all| all["kms"]["required_protection"] = json!({ "own_ta_key": true }),
            &["kms.required_protection: the simulator protects nothing"],
        ),
        (|all| without(&mut all["relay"], "database"), &["`relay.database` is missing"]),
        (|all| without(&mut all["relay"]["relay_key"], "file"), &["`relay.relay_key.file` is missing"]),
        (|all| without(&mut all["relay"]["deployments"][0], "paymaster"), &["`", "paymaster` is missing"]),
        (|all| all["relay"]["deployments"][0]["version"] = "0.5".into(), &["relay.deployments.version", "`0.9`"]),
        (|all| all["bootstrap"]["max_cost_wei"] = 0.into(), &["bootstrap.max_cost_wei", "above 0"]),
        (|all| all["bootstrap"]["max_window_seconds"] = 0.into(), &["bootstrap.max_window_seconds", "above 0"]),
        (|all| all["relay"]["redis"] = json!({ "url": "nonsense" }), &["relay.redis.url", "redis://"]),
        (|all| all["relay"]["redis"] = json!({ "url": "http://localhost" }), &["relay.redis.url", "redis://"]),
        (|all| all["relay"]["chain"]["rpc_url"] = "ws://localhost".into(), &["relay.chain.rpc_url", "http"]),
        (|all| all["kms"]["factory"]["rpc_url"] = "ftp://localhost".into(), &["kms.factory.rpc_url", "http"]),
        (
            |all| all["remote_kms"] = json!({ "urls": ["https://a.example", "mailto:b@example.org"] }),
            &["remote_kms.urls", "http"],
        ),
        (|all| listen(all, "rpc", "127.0.0.1:9", "kms", "127.0.0.1:9"), &["listen.kms", "listen.rpc"]),
        (|all| listen(all, "rpc", "127.0.0.1:9", "ops", "0.0.0.0:9"), &["listen.rpc", "listen.ops"]),
        (|all| listen(all, "ops", "127.0.0.1:9", "kms", "[::]:9"), &["listen.kms", "listen.ops"]),
    ];
    for (mistake, words) in mistakes {
        let file = written(&ground, mistake);
        let checked = run(&["config", "check", "--config", &file]).await;
        let started = run(&["node", "--config", &file]).await;
        refused(&checked, words);
        let logged: Value = serde_json::from_slice(&started.stderr).unwrap_or_default();
        let started = logged["fields"]["message"].as_str().map_or_else(
            || String::from_utf8_lossy(&started.stderr).trim_end().to_owned(),
            |message| format!("super-relay: {message}"),
        );
        assert_eq!(String::from_utf8_lossy(&checked.stderr).trim_end(), started);
    }
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
        configuration["relay"]["rpc"] = json!({ "api_key_hashes": ["11".repeat(32)] });
        configuration["relay"]["rp_id"] = "example.org".into();
        configuration["kms"]["rp_id"] = "example.org".into();
        configuration["kms"]["origins"] = json!(["https://example.org"]);
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
    let offline = run(&["config", "check", "--offline", "--config", &written(&ground, sound)]).await;
    assert!(offline.status.success(), "{}", String::from_utf8_lossy(&offline.stderr));
    // The contract of these tests admits a signer after seconds.
    refused(&check(&ground, sound).await, &["relay.deployments.paymaster", "after its proposal", "86400"]);
    let of_this_machine = |configuration: &mut Value| {
        sound(configuration);
        configuration["relay"]["rp_id"] = "localhost".into();
    };
    refused(&check(&ground, of_this_machine).await, &["production", "rp_id", "localhost"]);
}

/// As many, each at an EntryPoint of its own.
fn many_deployments(count: usize) -> Value {
    let entry_points = (1..=count).map(|number| format!("0x{number:040x}"));
    entry_points
        .map(|address| json!({ "entry_point": address, "version": "0.7", "paymaster": format!("0x{}", "11".repeat(20)) }))
        .collect()
}

/// The same as `bootstrap` takes them.
fn on_chain(mut deployments: Value) -> Value {
    for deployment in deployments.as_array_mut().unwrap() {
        deployment["chain_id"] = 31337.into();
    }
    deployments
}
