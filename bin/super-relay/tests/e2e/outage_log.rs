//! A node logs a problem of its chain once when it begins, and once when it is over.

use devkit::EntryPointVersion::V07;
use devkit::{Anvil, AnvilOptions, Tools};
use serde_json::Value;

use crate::support::{
    Process, Setup, TeeAccount, World, eventually, freeze, problem, project, thaw, write_configuration,
};

fn impatient(configuration: &mut Value) {
    configuration["relay"]["chain"]["timeout_seconds"] = 5.into();
    configuration["relay"]["settlement_interval_seconds"] = 1.into();
}

fn lines(process: &Process, word: &str) -> usize {
    process.log().iter().filter(|line| line.contains(word)).count()
}

async fn said(process: &Process, word: &str) {
    eventually(async || (lines(process, word) > 0).then_some(())).await;
}

/// Waits for two sweeps, which shows that one of them has ended: each begins with the age of the
/// key.
async fn two_sweeps(process: &Process) {
    for _ in 0..3 {
        let before = key_age(process).await;
        eventually(async || (key_age(process).await != before).then_some(())).await;
    }
}

async fn key_age(process: &Process) -> String {
    let metrics = devkit::http::get(format!("{}/metrics", process.url("ops"))).await.unwrap().text().await.unwrap();
    metrics.lines().find(|line| line.starts_with("relay_key_age_seconds ")).unwrap().to_owned()
}

#[tokio::test]
async fn a_node_over_a_chain_without_its_contracts_names_what_is_missing_once() {
    let tools = Tools::locate(&project()).unwrap();
    let bare = Anvil::start(tools.anvil(), AnvilOptions::default()).await.unwrap();
    let url = bare.url().to_string();
    let elsewhere = move |configuration: &mut Value| configuration["relay"]["chain"]["rpc_url"] = url.into();
    let ground = Setup::of(V07).configure(elsewhere).prepare().await;
    let file = ground.data.path().join("bare-chain.toml");
    write_configuration(&ground.configuration, &file);

    let process = Process::start("node", &file).await;

    let entry_point = format!("{:#x}", ground.deployment.entry_point.address());
    let missing = format!("chain 31337 has no contract at {entry_point}");
    let answer = problem(&process, "chain").await.unwrap();
    assert!(answer.to_lowercase().contains(&missing), "{answer}");
    let log = process.log().join("\n").to_lowercase();
    assert!(log.contains(&format!("ready, but not every sponsorship could succeed now: chain: {missing}")), "{log}");
    let failing = "the chain is failing";
    said(&process, failing).await;
    two_sweeps(&process).await;
    let complaints: Vec<_> = process.log().into_iter().filter(|line| line.contains(failing)).collect();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].to_lowercase().contains(&format!("the contract at {entry_point} ")), "{complaints:?}");
}

#[tokio::test]
async fn an_outage_of_the_chain_is_logged_when_it_begins_and_when_it_is_over() {
    let world = Setup::of(V07).configure(impatient).start().await;
    freeze(world.anvil.process_id()).await;
    let begun = "the chain does not answer: the node at relay.chain.rpc_url did not answer in time";
    let over = "the chain answers again after";
    said(&world.node, begun).await;
    two_sweeps(&world.node).await;
    assert_eq!((lines(&world.node, begun), lines(&world.node, over)), (1, 0));

    thaw(world.anvil.process_id());

    said(&world.node, over).await;
    two_sweeps(&world.node).await;
    assert_eq!(lines(&world.node, begun), 1);
    // The chain's outage is not told of again by those who need it.
    let log = world.node.log();
    let failing: Vec<&String> = log.iter().filter(|line| line.contains("is failing")).collect();
    assert_eq!(failing, Vec::<&String>::new());
}

#[tokio::test]
async fn an_unknown_operation_is_logged_once() {
    let mut world: World = Setup::of(V07).configure(impatient).start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    let mut another = TeeAccount::create(&world).await;
    let operation = another.operation(&world).await;
    let later = another.sponsored(&world, &operation).await.unwrap();
    world.node.kill().await;
    for file in ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"] {
        // The last two are there as SQLite likes.
        let _ = std::fs::remove_file(world.file(file));
    }
    world.restart().await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);

    let stranger = "paid for an unknown operation";
    said(&world.node, stranger).await;
    // When the later one is found, the block of the first was reread.
    assert!(world.entry_point().handle_ops(&later["userOperation"]).await.unwrap().success);
    said(&world.node, later["userOpHash"].as_str().unwrap()).await;
    assert_eq!(lines(&world.node, stranger), 2);
}
