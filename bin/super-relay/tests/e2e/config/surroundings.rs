//! A check asks chain and KMS, and compares the settings with what they answer.

use axum::http::Uri;
use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{check, refused, without, written};
use crate::support::{Setup, run, write_configuration};

#[tokio::test]
async fn a_check_warns_of_targets_that_any_code_may_ignore() {
    let ground = Setup::of(V07).prepare().await;
    let said = async |change: fn(&mut Value)| {
        let file = written(&ground, change);
        let output = run(&["config", "check", "--offline", "--config", &file]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let of_any_sender = said(|all| {
        all["relay"]["policies"][0]["targets"] = json!([{ "address": format!("0x{}", "11".repeat(20)) }]);
        all["relay"]["policies"][0]["any_account_code"] = true.into();
    });
    let of_any_sender = of_any_sender.await;
    assert!(
        of_any_sender.contains("warning: relay.policies: \"default\" lists targets, any_account_code and no senders"),
        "{of_any_sender}"
    );
    let of_one_sender = said(|all| {
        all["relay"]["policies"][0]["targets"] = json!([{ "address": format!("0x{}", "11".repeat(20)) }]);
        all["relay"]["policies"][0]["any_account_code"] = true.into();
        all["relay"]["policies"][0]["senders"] = json!([format!("0x{}", "22".repeat(20))]);
    });
    assert!(!of_one_sender.await.contains("warning"));
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
    let kms = world.kms();
    let url = kms.url();
    // As nginx does it: the time is that of its own host.
    let right = of_gateway(&behind_proxy(url, vec![("date", "Sat, 01 Jan 2000 00:00:00 GMT")]).await).await;
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    let behind = of_gateway(&behind_proxy(url, vec![("x-kms-time", "946684800")]).await).await;
    refused(&behind, &["clocks: the KMS's clock is ", " s behind this host's"]);
}

/// The same KMS, with these headers in place of its own.
async fn behind_proxy(kms: &str, replaced: Vec<(&'static str, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, kms) = (format!("http://{}", listener.local_addr().unwrap()), kms.to_owned());
    let routes = axum::Router::new().fallback(async move |uri: Uri| {
        let answer = devkit::http::get(format!("{kms}{uri}")).await.unwrap();
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        for (name, value) in replaced {
            headers.insert(name, value.parse().unwrap());
        }
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
