//! A log that nobody reads, or that can't be written, stops no request and no task.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Reading, Setup, TeeAccount, World, eventually, freeze, problem, thaw};

/// Far more than a call takes.
const A_CALL: Duration = Duration::from_secs(20);

fn talkative(configuration: &mut Value) {
    configuration["log"]["filter"] = "trace".into();
    configuration["relay"]["chain"]["timeout_seconds"] = 1.into();
}

async fn calls(world: &World) {
    for _ in 0..20 {
        timeout(A_CALL, world.rpc().call("pm_supportedEntryPoints", json!([]))).await.expect("no answer").unwrap();
    }
    for probe in ["livez", "readyz"] {
        let answer = timeout(A_CALL, reqwest::get(format!("{}/{probe}", world.node.url("ops")))).await;
        assert_eq!(answer.expect("no answer").unwrap().status(), 200);
    }
}

async fn lost_lines(world: &World) -> u64 {
    let metrics = reqwest::get(format!("{}/metrics", world.node.url("ops"))).await.unwrap().text().await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix("log_lines_lost_total ")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_request_and_its_lost_lines_are_counted() {
    let world = Setup::of(V07).configure(talkative).start().await;
    assert_eq!(lost_lines(&world).await, 0);
    world.node.read_log(Reading::Left);
    eventually(async || {
        calls(&world).await;
        (lost_lines(&world).await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_neither_requests_nor_the_tasks_that_warn() {
    let world = Setup::of(V07).configure(talkative).start().await;
    world.node.read_log(Reading::Closed);
    calls(&world).await;
    // The tasks that watch the chain warn of it.
    freeze(world.anvil.process_id()).await;
    eventually(async || problem(&world.node, "chain").await).await;
    thaw(world.anvil.process_id());
    eventually(async || problem(&world.node, "chain").await.is_none().then_some(())).await;
    calls(&world).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    world.rpc().call("pm_sponsor_with_tee", json!([operation, account.id, assertion])).await.unwrap();
}
