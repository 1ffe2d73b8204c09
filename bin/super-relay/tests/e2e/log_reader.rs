//! A log that is not read, or cannot be written, blocks no request and no task.

use std::fs;
use std::time::Duration;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    Process, Reading, Rpc, Setup, Signal, TeeAccount, eventually, freeze, problem, ready, thaw, write_configuration,
};

/// Far more than a call takes.
const A_CALL: Duration = Duration::from_secs(20);

fn talkative(configuration: &mut Value) {
    configuration["log"]["filter"] = "trace".into();
    configuration["relay"]["chain"]["timeout_seconds"] = 1.into();
}

async fn calls(node: &Process) {
    let rpc = Rpc::at(node.url("rpc"));
    for _ in 0..20 {
        timeout(A_CALL, rpc.call("pm_supportedEntryPoints", json!([]))).await.expect("no answer").unwrap();
    }
    let alive = timeout(A_CALL, devkit::http::get(format!("{}/livez", node.url("ops")))).await;
    assert_eq!(alive.expect("no answer").unwrap().status(), 200);
    ready(node).await;
}

async fn lost_lines(node: &Process) -> u64 {
    let metrics = devkit::http::get(format!("{}/metrics", node.url("ops"))).await.unwrap().text().await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix("log_lines_lost_total ")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_unread_log_blocks_no_request_and_its_lost_lines_are_counted() {
    let world = Setup::of(V07).configure(talkative).start().await;
    assert_eq!(lost_lines(&world.node).await, 0);
    world.node.read_log(Reading::Left);
    eventually(async || {
        calls(&world.node).await;
        (lost_lines(&world.node).await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_neither_requests_nor_the_tasks_that_warn_and_its_lines_are_counted() {
    let world = Setup::of(V07).configure(talkative).start().await;
    world.node.read_log(Reading::Closed);
    let mut before = 0;
    for _ in 0..2 {
        eventually(async || {
            calls(&world.node).await;
            (lost_lines(&world.node).await > before).then_some(())
        })
        .await;
        before = lost_lines(&world.node).await;
    }
    // The tasks that watch the chain warn of it.
    freeze(world.anvil.process_id()).await;
    eventually(async || problem(&world.node, "chain").await).await;
    thaw(world.anvil.process_id());
    eventually(async || problem(&world.node, "chain").await.is_none().then_some(())).await;
    calls(&world.node).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    world.rpc().call("pm_sponsor_with_tee", json!([operation, account.id, assertion])).await.unwrap();
}

#[tokio::test]
async fn it_stops_on_a_signal_although_its_log_is_not_read() {
    let ground = Setup::of(V07).configure(talkative).prepare().await;
    let [file, output] = ["talkative.toml", "output"].map(|name| ground.data.path().join(name));
    write_configuration(&ground.configuration, &file);
    let mut node = Process::start_limited("node", &file, &format!("exec 1>{}", output.display())).await;
    node.read_log(Reading::Left);
    eventually(async || {
        calls(&node).await;
        (lost_lines(&node).await > 0).then_some(())
    })
    .await;
    node.signal(Signal::INT);
    assert!(node.ended().await.success());
    assert_eq!(fs::read_to_string(output).unwrap(), "");
}
