//! A node that serves two chains.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{OtherChain, Rpc, Setup, TeeAccount, World, eventually, ready, run, write_configuration};

const OTHER: u64 = 31338;

async fn two_chains() -> (World, OtherChain) {
    let mut ground = Setup::of(V07).prepare().await;
    let other = ground.another_chain(OTHER).await;
    (ground.start().await, other)
}

fn at(world: &World, chain_id: u64) -> Rpc {
    Rpc::at(format!("{}/rpc/{chain_id}", world.node.url("rpc")))
}

/// The complete flow on one chain: intent, approval, sponsorship.
async fn sponsored(world: &World, chain_id: u64, account: &mut TeeAccount, operation: &Value) -> Value {
    let rpc = at(world, chain_id);
    let intent = rpc.call("pm_getSponsorshipIntent", json!([operation, account.id])).await.unwrap();
    let assertion = account.passkey.assert(&intent["webauthn"]).unwrap();
    rpc.call("pm_sponsor_with_tee", json!([operation, account.id, assertion])).await.unwrap()
}

#[tokio::test]
async fn one_node_sponsors_and_settles_on_two_chains_by_their_paths() {
    let (world, other) = two_chains().await;
    let mut account = TeeAccount::create(&world).await;
    for (chain_id, id) in [(31337, "0x7a69"), (OTHER, "0x7a6a")] {
        assert_eq!(at(&world, chain_id).call("eth_chainId", json!([])).await.unwrap(), id);
    }
    let operation = account.operation(&world).await;
    let here = sponsored(&world, 31337, &mut account, &operation).await;
    let there = sponsored(&world, OTHER, &mut account, &operation).await;
    reserved_are(&world, |gwei| gwei != "0").await;
    for (entry_point, answer) in [(world.entry_point(), here), (&other.entry_point, there)] {
        assert!(entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
    }
    for anvil in [&world.anvil, &other.anvil] {
        anvil.mine(20).await.unwrap();
    }
    reserved_are(&world, |gwei| gwei == "0").await;
}

/// Returns once the reserved amount of each chain satisfies `is_so`.
async fn reserved_are(world: &World, is_so: fn(&str) -> bool) {
    eventually(async || {
        let (_, text) = world.ops("/metrics").await;
        let on_chain = |chain_id: u64| {
            let labels = format!("relay_reserved_gwei{{chain_id=\"{chain_id}\",");
            text.lines().any(|line| line.starts_with(&labels) && line.rsplit(' ').next().is_some_and(is_so))
        };
        (on_chain(31337) && on_chain(OTHER)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn status_and_check_have_a_part_for_each_chain_and_one_that_is_gone_stops_no_other() {
    let (world, other) = two_chains().await;
    let mut account = TeeAccount::create(&world).await;
    let (code, text) = world.ops("/status").await;
    assert_eq!(code, 200, "{text}");
    for line in ["store: ok", "chain 31337: chain: ok", "chain 31338: chain: ok", "chain 31338: settlement: ok"] {
        assert!(text.lines().any(|said| said == line), "{line}: {text}");
    }
    let file = world.file("checked.toml");
    write_configuration(&world.configuration, &file);
    let check = async || run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    let output = check().await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    drop(other);
    let (code, json) = world.ops("/status?format=json").await;
    let status: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &status["ok"]), (503, &json!(false)));
    let checks = status["checks"].as_array().unwrap();
    let wrong: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
    assert!(wrong.iter().all(|check| check["chainId"] == OTHER), "{json}");
    assert!(wrong.iter().any(|check| check["name"] == "chain"), "{json}");
    assert!(checks.iter().any(|check| check["name"] == "chain" && check["chainId"] == 31337), "{json}");
    let store = checks.iter().find(|check| check["name"] == "store").unwrap();
    assert_eq!(store.get("chainId"), None, "it is of no chain");
    let said = String::from_utf8(check().await.stderr).unwrap();
    assert!(
        said.contains("chain 31338: chain: the chain cannot answer now: the node at relay.chains.rpc_url of chain"),
        "{said}"
    );
    assert!(!said.contains("chain 31337: "), "{said}");

    let operation = account.operation(&world).await;
    let answer = sponsored(&world, 31337, &mut account, &operation).await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
    ready(&world.node).await;
}
