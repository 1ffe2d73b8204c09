//! The binary's messages about its configuration, and the refusals of the production profile.

mod files;

use std::process::Output;

use axum::http::Uri;
use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::net::TcpListener;

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
async fn a_check_warns_of_targets_that_any_sender_may_name() {
    let ground = Setup::of(V07).prepare().await;
    let said = async |change: fn(&mut Value)| {
        let file = written(&ground, change);
        let output = run(&["config", "check", "--offline", "--config", &file]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let of_any_sender = said(|all| {
        all["relay"]["policies"][0]["targets"] = json!([{ "address": format!("0x{}", "11".repeat(20)) }]);
    });
    let of_any_sender = of_any_sender.await;
    assert!(
        of_any_sender.contains("warning: relay.policies: \"default\" lists targets and no senders"),
        "{of_any_sender}"
    );
    let of_one_sender = said(|all| {
        all["relay"]["policies"][0]["targets"] = json!([{ "address": format!("0x{}", "11".repeat(20)) }]);
        all["relay"]["policies"][0]["senders"] = json!([format!("0x{}", "22".repeat(20))]);
    });
    assert!(!of_one_sender.await.contains("warning"));
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
async fn a_check_asks_chain_and_kms_and_names_what_is_wrong() {
    let ground = Setup::of(V07).prepare().await;
    let says = async |change: fn(&mut Value)| check(&ground, change).await;
    let of_another_chain = says(|all| all["relay"]["chain"]["chain_id"] = 1.into()).await;
    refused(&of_another_chain, &["chain: ", "serves chain 31337, and relay.chain.chain_id is 1"]);
    let nobody = says(|all| all["relay"]["chain"]["rpc_url"] = "http://127.0.0.1:1".into()).await;
    refused(&nobody, &["chain: ", "the node at relay.chain.rpc_url cannot be reached: Connection refused"]);
    let no_host = says(|all| all["relay"]["chain"]["rpc_url"] = "http://user:secret@node.invalid/secret".into()).await;
    refused(&no_host, &["chain: ", "the node at relay.chain.rpc_url cannot be reached: DNS: "]);
    assert!(!String::from_utf8_lossy(&no_host.stderr).contains("secret"), "{no_host:?}");
    let no_bundler = says(|all| {
        let none = ["http://user:secret@127.0.0.1:1/secret", "http://127.0.0.1:2"];
        all["relay"]["bundler"] = json!({ "urls": none });
    });
    let no_bundler = no_bundler.await;
    let reached = "cannot be reached: Connection refused";
    let [first, second] = [1, 2].map(|n| format!("bundler: the bundler at relay.bundler.urls (number {n}) {reached}"));
    refused(&no_bundler, &[&first, &second]);
    assert!(!String::from_utf8_lossy(&no_bundler.stderr).contains("secret"), "{no_bundler:?}");
    let no_redis = says(|all| all["relay"]["redis"] = json!({ "url": "redis://127.0.0.1:1" })).await;
    refused(&no_redis, &["claims: ", "Redis at relay.redis.url cannot be reached: Connection refused"]);
    let no_kms = says(|all| {
        all["remote_kms"] = json!({ "urls": ["http://127.0.0.1:1"] });
        without(all, "kms");
        without(all, "bootstrap");
    });
    let no_gateway = "remote_kms.urls: KMS gateway http://127.0.0.1:1/: it cannot be reached: Connection refused";
    refused(&no_kms.await, &["kms: ", no_gateway]);
    let nothing = says(|all| {
        all["relay"]["chain"]["rpc_url"] = "http://127.0.0.1:1".into();
        all["relay"]["redis"] = json!({ "url": "redis://127.0.0.1:1" });
    });
    refused(&nothing.await, &["chain: ", "relay.chain.rpc_url", "claims: ", "relay.redis.url"]);
    let nowhere = says(|all| all["relay"]["database"] = "/proc/nowhere/relay.sqlite".into()).await;
    refused(&nowhere, &["relay.database", "there is no folder /proc/nowhere"]);
}

#[tokio::test]
async fn a_check_names_a_clock_that_is_off() {
    let ground = Setup::of(V07).prepare().await;
    assert!(check(&ground, |_| ()).await.status.success());
    ground.anvil.increase_time(4000).await.unwrap();
    ground.anvil.mine(1).await.unwrap();
    refused(&check(&ground, |_| ()).await, &["clocks: the latest block is ", " s ahead of this relay's clock"]);

    let world = Setup::of(V07).start_apart().await;
    let file = world.file("checked.toml");
    let of_gateway = async |url: &str| {
        let mut configuration = world.configuration.clone();
        configuration["remote_kms"]["urls"] = json!([url]);
        write_configuration(&configuration, &file);
        run(&["config", "check", "--config", file.to_str().unwrap()]).await
    };
    let url = world.kms().url().to_owned();
    let right = of_gateway(&url).await;
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    let behind = of_gateway(&in_the_year_2000(url).await).await;
    refused(&behind, &["clocks: the KMS's clock is ", " s behind this host's"]);
}

/// The same KMS on a host whose clock is off: the answers carry another `Date`.
async fn in_the_year_2000(kms: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = axum::Router::new().fallback(async move |uri: Uri| {
        let answer = devkit::http::get(format!("{kms}{uri}")).await.unwrap();
        let status = answer.status();
        let headers = [("date", "Sat, 01 Jan 2000 00:00:00 GMT"), ("content-type", "application/json")];
        (status, headers, answer.bytes().await.unwrap())
    });
    tokio::spawn(async { axum::serve(listener, routes).await });
    url
}

#[tokio::test]
async fn a_check_names_a_contract_whose_windows_are_narrower_than_the_relays() {
    let ground = Setup::of(V07).prepare().await;
    let output = check(&ground, |all| all["relay"]["max_window_seconds"] = 7200.into()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    for words in ["window: the paymaster 0x", "maxWindow = 3600 s", "bootstrap.max_window_seconds is 3600", "is 7200"] {
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_check_names_what_a_bootstrapped_tee_would_not_sign_of_each_policy() {
    let ground = Setup::of(V07).prepare().await;
    let output = check(&ground, |all| {
        let fine = all["relay"]["policies"][0].clone();
        let mut dear = fine.clone();
        dear["id"] = "dear".into();
        dear["max_cost_per_operation"] = "30000000000000000".into();
        dear["allow_without_passkey"] = true.into();
        all["relay"]["policies"] = json!([fine, dear]);
        all["bootstrap"]["max_cost_wei"] = "20000000000000000".into();
        all["bootstrap"]["sponsor_without_passkey"] = false.into();
    });
    let output = output.await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let cost = "ceilings: bootstrap.max_cost_wei is 20000000000000000 wei, and max_cost_per_operation of policy \"dear\" is \
                30000000000000000 wei";
    let permission =
        "relay_key: bootstrap.sponsor_without_passkey is false, and policy \"dear\" has allow_without_passkey";
    for words in [cost, permission] {
        assert!(said.contains(&format!("missing for a sponsorship: {words}")), "{said}");
    }
    assert!(!said.contains("policy \"default\""), "{said}");
}

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

#[tokio::test]
async fn a_configuration_that_serves_nothing_is_refused() {
    let ground = Setup::of(V07).prepare().await;

    refused(&run(&["config", "check"]).await, &["no file is given", "--config", "`relay` or `kms` is missing"]);
    refused(&run(&["node"]).await, &["no file is given", "--config"]);
    refused(&run(&["config", "check", "--config", "nowhere.toml"]).await, &["there is no file nowhere.toml"]);
    let no_kms = check(&ground, |configuration| without(configuration, "kms"));
    refused(&no_kms.await, &["`kms` or `remote_kms.urls` is missing"]);
}

/// A change of a valid configuration, and the resulting message.
type Mistake = (fn(&mut Value), &'static [&'static str]);

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
