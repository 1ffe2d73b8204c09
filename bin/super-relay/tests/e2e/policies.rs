//! Policies from the command line: effective without a restart, kept over one, with a history.

use std::process::Output;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Setup, Signal, World, eventually, run};

fn words(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

async fn policy(world: &World, arguments: &[&str]) -> Output {
    let file = world.file("node.toml");
    run(&[&["policy", "--config", file.to_str().unwrap()][..], arguments].concat()).await
}

async fn printed(world: &World, arguments: &[&str]) -> String {
    let output = policy(world, arguments).await;
    let (printed, noted) = words(&output);
    assert!(output.status.success(), "{noted}");
    printed
}

async fn refused(world: &World, arguments: &[&str]) -> String {
    let output = policy(world, arguments).await;
    assert!(!output.status.success(), "{output:?}");
    words(&output).1
}

/// Why a request that names the policy is refused. No policy here sponsors this operation.
async fn reason(world: &World, policy: &str) -> Value {
    let op = json!({
        "sender": "0x00000000000000000000000000000000000000aa", "nonce": "0x0", "callData": "0x",
        "callGasLimit": "0x1", "verificationGasLimit": "0x1", "preVerificationGas": "0x1",
        "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1",
    });
    let params =
        json!([op, world.deployment.entry_point.address(), "0x7a69", { "accountId": "a", "policyId": policy }]);
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_getPaymasterStubData", "params": params });
    let answer = devkit::http::client().post(world.node.url("rpc")).json(&call).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["error"]["data"]["reason"].clone()
}

#[tokio::test]
async fn a_policy_is_applied_shown_disabled_and_rolled_back_without_a_restart_and_survives_one() {
    let mut world = Setup::of(V07).start().await;
    let file = world.file("gold.toml");
    let path = file.to_str().unwrap().to_owned();
    assert_eq!(reason(&world, "gold").await, "unknown_policy");
    std::fs::write(&file, "id = \"gold\"\nmax_cost_per_operation = 1\n").unwrap();
    let applied = printed(&world, &["apply", &path, "--note", "for the launch"]).await;
    assert!(applied.contains("gold") && applied.contains("enabled"), "{applied}");
    eventually(async || (reason(&world, "gold").await != "unknown_policy").then_some(())).await;

    std::fs::write(&file, "id = \"gold\"\nmax_cost_per_operation = 2\n").unwrap();
    let difference = printed(&world, &["diff", "--file", &path]).await;
    assert!(difference.contains("-max_cost_per_operation = \"1\"\n+max_cost_per_operation = \"2\""), "{difference}");
    let stale = refused(&world, &["apply", &path, "--expect-version", "4"]).await;
    assert!(stale.contains("policy \"gold\" is at version 1, not 4"), "{stale}");
    printed(&world, &["apply", &path, "--expect-version", "1"]).await;
    printed(&world, &["rollback", "gold", "1"]).await;
    printed(&world, &["disable", "gold", "--note", "incident 5"]).await;
    eventually(async || (reason(&world, "gold").await == "policy_disabled").then_some(())).await;

    // What `show` prints is what `apply` takes.
    let shown = printed(&world, &["show", "gold"]).await;
    assert!(
        shown.starts_with("# version 4, disabled, position 20, by uid ") && shown.contains(": incident 5\n"),
        "{shown}"
    );
    std::fs::write(&file, &shown).unwrap();
    let same = printed(&world, &["apply", &path]).await;
    assert!(same.lines().nth(1).unwrap().starts_with("gold  4        disabled"), "{same}");
    let second = printed(&world, &["show", "gold", "--at", "2"]).await;
    assert!(second.contains("max_cost_per_operation = \"2\""), "{second}");

    std::fs::write(&file, "id = \"gold\"\nmax_cost_per_operation = 1\ntargetz = []\n").unwrap();
    let bad = refused(&world, &["apply", &path]).await;
    assert!(bad.contains("policy \"gold\": ") && bad.contains("targetz"), "{bad}");
    let history = printed(&world, &["history", "gold"]).await;
    let uid = rustix::process::getuid().as_raw();
    let versions: Vec<_> = history.lines().filter(|line| line.starts_with("version ")).collect();
    assert_eq!(versions.len(), 4, "{history}");
    assert!(versions.iter().all(|line| line.contains(&format!(", by uid {uid}, "))), "{history}");
    assert!(
        versions[0].ends_with(": for the launch") && versions[2].ends_with(": rolled back to version 1"),
        "{history}"
    );
    let of_file = printed(&world, &["diff", "default"]).await;
    assert_eq!(of_file, "no difference between the node's file and version 1\n");

    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    let gone = refused(&world, &["list"]).await;
    assert!(gone.contains("is it running"), "{gone}");
    world.restart().await;
    assert_eq!(reason(&world, "gold").await, "policy_disabled");
    printed(&world, &["archive", "gold"]).await;
    assert_eq!(reason(&world, "gold").await, "unknown_policy");
    assert!(!printed(&world, &["list"]).await.contains("gold"));
    assert!(printed(&world, &["list", "--all"]).await.contains("archived"));
}

#[tokio::test]
async fn the_policies_of_a_configuration_file_are_applied_together() {
    let world = Setup::of(V07).start().await;
    let file = world.file("changed.toml");
    let path = file.to_str().unwrap();
    let mut configuration = world.configuration.clone();
    configuration["relay"]["policies"] = json!([
        { "id": "default", "max_cost_per_operation": "7" },
        { "id": "a", "max_cost_per_operation": "1" },
    ]);
    std::fs::write(&file, toml::to_string(&configuration).unwrap()).unwrap();
    printed(&world, &["apply", path]).await;
    for id in ["default", "a"] {
        let list = printed(&world, &["list"]).await;
        assert!(list.lines().any(|line| line.starts_with(id) && line.contains("enabled")), "{list}");
    }
    let difference = printed(&world, &["diff", "default"]).await;
    assert!(difference.contains("+max_cost_per_operation = \"7\""), "{difference}");
    for (text, named) in [("", "no policy"), ("policies = []", "at least one"), ("id =", "TOML parse error")] {
        std::fs::write(&file, text).unwrap();
        let problem = refused(&world, &["apply", path]).await;
        assert!(problem.contains(named), "{text:?}: {problem}");
    }
    let missing = refused(&world, &["apply", "/nowhere.toml"]).await;
    assert!(missing.contains("/nowhere.toml"), "{missing}");
    let unknown = refused(&world, &["disable", "nobody's"]).await;
    assert!(unknown.contains("there is no policy \"nobody's\""), "{unknown}");
}
