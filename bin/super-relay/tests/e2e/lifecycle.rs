//! A process from start to stop, as operators see it.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Process, Setup, Signal, TeeAccount, World, eventually, increment, write_configuration};

#[tokio::test]
async fn an_idle_node_stops_at_once_on_either_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut world = World::start(V07).await;
        world.node.signal(signal);

        assert!(world.node.ended().await.success(), "{signal:?}");
    }
}

#[tokio::test]
async fn a_node_without_its_chain_serves_and_says_once_what_is_missing() {
    let nobody = "http://127.0.0.1:1";
    let no_chain = |configuration: &mut Value| configuration["relay"]["chain"]["rpc_url"] = nobody.into();
    let ground = Setup::of(V07).configure(no_chain).prepare().await;
    let file = ground.data.path().join("no-chain.toml");
    write_configuration(&ground.configuration, &file);

    let process = Process::start("node", &file).await;

    let reason = "ready, but not every sponsorship could succeed now: chain: the chain cannot answer now: the node at \
                  relay.chain.rpc_url cannot be reached: Connection refused";
    let log = process.log();
    assert_eq!(log.iter().filter(|line| line.contains(reason)).count(), 1, "{log:?}");
    assert!(!log.iter().any(|line| line.contains(r#""message":"ready""#)), "{log:?}");
    assert_eq!(devkit::http::get(format!("{}/livez", process.url("ops"))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn requests_and_reservations_are_counted() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    let changed = json!([increment(&operation, "callGasLimit"), account.id, assertion]);
    world.rpc().call("pm_sponsor_with_tee", changed).await.unwrap_err();
    let params = json!([operation, account.id, assertion]);
    for _ in 0..2 {
        world.rpc().call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    }

    let (status, text) = world.ops("/metrics").await;

    assert_eq!(status, 200);
    assert!(text.contains(r#"relay_requests_total{method="pm_sponsor_with_tee",reason="ok"} 2"#), "{text}");
    assert!(
        text.contains(r#"relay_requests_total{method="pm_sponsor_with_tee",reason="challenge_mismatch"} 1"#),
        "{text}"
    );
    // 770 000 gas at 4 gwei, once.
    eventually(async || {
        let (_, text) = world.ops("/metrics").await;
        let gauge = text.lines().find(|line| line.starts_with("relay_reserved_gwei{"))?.to_owned();
        gauge.ends_with(" 3080000").then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    const KEYS: [&str; 2] = ["key-in-userinfo", "key-in-query"];
    let configure = |configuration: &mut Value| {
        configuration["log"]["filter"] = "trace".into();
        for node in ["/relay/chain/rpc_url", "/kms/factory/rpc_url"] {
            let url = configuration.pointer_mut(node).unwrap();
            let [user, query] = KEYS;
            let address = url.as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
            *url = format!("http://user:{user}@{address}/?key={query}").into();
        }
    };
    let world = Setup::of(V07).configure(configure).start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    account.sponsored(&world, &operation).await.unwrap();

    let log = world.node.log().join("\n").to_lowercase();
    for key in KEYS {
        assert!(!log.contains(key), "{:?}", log.lines().find(|line| line.contains(key)));
    }

    assert!(log.contains("pm_sponsor_with_tee"), "the log says what happened");
    let admin = std::fs::read_to_string(world.file("admin.key")).unwrap();
    let relay = world.relay_key();
    for secret in [admin.trim().to_lowercase(), hex::encode(relay), crate::support::PASSPHRASE.to_lowercase()] {
        assert!(!log.contains(secret.trim_start_matches("0x")));
    }
}

#[tokio::test]
async fn a_sponsorship_is_logged_once_with_account_policy_cost_and_hash() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    let hash = answer["userOpHash"].as_str().unwrap().to_owned();

    let logged = async || {
        let lines = world.node.log();
        let about: Vec<_> =
            lines.into_iter().filter(|line| line.contains(&format!(r#""user_op_hash":"{hash}""#))).collect();
        (!about.is_empty()).then_some(about)
    };
    let about = eventually(logged).await;
    assert_eq!(about.len(), 1, "{about:?}");
    let line: Value = serde_json::from_str(&about[0]).unwrap();
    let fields = &line["fields"];
    assert_eq!((&fields["message"], &line["level"]), (&json!("answered"), &json!("INFO")));
    assert_eq!((&fields["account"], &fields["policy"]), (&json!(account.id), &json!("default")));
    // 770 000 gas at 4 gwei.
    assert_eq!(fields["cost"], "3080000000000000");
}
