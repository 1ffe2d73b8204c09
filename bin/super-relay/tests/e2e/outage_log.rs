//! What a node says of its chain while something is wrong with it: what, once, and when it is over.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use devkit::{Anvil, AnvilOptions, Tools};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    Process, Setup, TeeAccount, World, freeze, problem, project, thaw, within_seconds, write_configuration,
};

/// Longer than two sweeps, which come every five seconds.
const TWO_SWEEPS: Duration = Duration::from_secs(12);

fn impatient(configuration: &mut Value) {
    configuration["relay"]["chain"]["timeout_seconds"] = 1.into();
    configuration["relay"]["settlement_interval_seconds"] = 1.into();
}

fn lines(process: &Process, word: &str) -> usize {
    process.log().iter().filter(|line| line.contains(word)).count()
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
    assert!(log.contains(&format!("ready, but no sponsorship could succeed now: chain: {missing}")), "{log}");
    sleep(TWO_SWEEPS).await;
    let complaints: Vec<_> = process.log().into_iter().filter(|line| line.contains("the sweep is failing")).collect();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].to_lowercase().contains(&format!("the contract at {entry_point} ")), "{complaints:?}");
}

#[tokio::test]
async fn an_outage_of_the_chain_is_logged_when_it_begins_and_when_it_is_over() {
    let world = Setup::of(V07).configure(impatient).start().await;
    freeze(world.anvil.process_id()).await;
    sleep(TWO_SWEEPS).await;
    let (begun, over) = ("the chain does not answer: the node did not answer in time", "the chain answers again after");
    assert_eq!((lines(&world.node, begun), lines(&world.node, over)), (1, 0));

    thaw(world.anvil.process_id());

    within_seconds(30, async || (lines(&world.node, over) == 1).then_some(())).await;
    sleep(TWO_SWEEPS).await;
    assert_eq!(lines(&world.node, begun), 1);
    assert_eq!(lines(&world.node, "is failing"), 0, "the chain's outage is not told of again by those who need it");
}

#[tokio::test]
async fn an_operation_that_is_not_in_the_books_is_told_of_once() {
    let mut world: World = Setup::of(V07).configure(impatient).start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    world.node.kill().await;
    for file in ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"] {
        // The last two are there as SQLite likes.
        let _ = std::fs::remove_file(world.file(file));
    }
    world.restart().await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);

    let stranger = "not in our books";
    within_seconds(10, async || (lines(&world.node, stranger) > 0).then_some(())).await;
    sleep(Duration::from_secs(3)).await;

    assert_eq!(lines(&world.node, stranger), 1);
}
