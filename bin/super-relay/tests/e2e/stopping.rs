//! How a process ends: first not ready, then deaf, then done.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::{Setup, Signal, TeeAccount, World, freeze, within_seconds};

/// No test waits for its end.
const LONG: u64 = 3600;
/// Longer than a request takes to reach its chain.
const A_MOMENT: Duration = Duration::from_millis(300);

fn draining(seconds: u64, finish: u64) -> impl FnOnce(&mut Value) {
    move |configuration| {
        configuration["shutdown"] = json!({ "drain_seconds": seconds, "finish_seconds": finish });
        configuration["relay"]["chain"]["timeout_seconds"] = 600.into();
    }
}

async fn chain_id(world: &World) -> Value {
    world.rpc().call("pm_chainId", json!([])).await.unwrap()
}

#[tokio::test]
async fn after_sigterm_it_is_not_ready_at_once_and_takes_requests_until_it_has_drained() {
    let mut world = Setup::of(V07).configure(draining(LONG, 20)).start().await;
    world.node.signal(Signal::TERM);

    within_seconds(30, async || (world.ops("/readyz").await.0 == 503).then_some(())).await;
    assert!(world.ops("/readyz").await.1.contains("it is stopping"));
    assert_eq!(world.problem("process").await.as_deref(), Some("it is stopping"));
    assert_eq!(world.ops("/livez").await.0, 200);
    assert_eq!(chain_id(&world).await, "0x7a69");
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    account.sponsored(&world, &operation).await.unwrap();

    // Another signal ends the draining.
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    assert!(TcpStream::connect(world.node.address("rpc")).await.is_err());
}

#[tokio::test]
async fn the_draining_ends_by_itself() {
    let mut world = Setup::of(V07).configure(draining(1, 20)).start().await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    let log = world.node.log().join("\n");
    assert!(log.contains("stopping: not ready; connections are accepted for 1 s"), "{log}");
}

#[tokio::test]
async fn an_interrupt_of_a_person_does_not_wait_for_a_load_balancer() {
    let mut world = Setup::of(V07).configure(draining(LONG, 20)).start().await;
    world.node.signal(Signal::INT);
    assert!(world.node.ended().await.success());
}

/// A request that waits for its chain, which never answers.
async fn waiting(world: &World) -> tokio::task::JoinHandle<()> {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    let assertion = account.approve(world, &operation).await;
    let (client, url) = (reqwest::Client::new(), world.node.url("rpc"));
    freeze(world.anvil.process_id()).await;
    let params = json!([operation, account.id, assertion]);
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_sponsor_with_tee", "params": params });
    let waiting = tokio::spawn(async move {
        // It is dropped, so there is no answer.
        let _ = client.post(url).json(&request).send().await;
    });
    sleep(A_MOMENT).await;
    assert!(!waiting.is_finished());
    waiting
}

#[tokio::test]
async fn requests_in_flight_are_dropped_after_their_time() {
    let mut world = Setup::of(V07).configure(draining(0, 1)).start().await;
    let waiting = waiting(&world).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    waiting.await.unwrap();
    let log = world.node.log().join("\n");
    assert!(log.contains("requests were still in flight after shutdown.finish_seconds (1 s)"), "{log}");
}

#[tokio::test]
async fn another_signal_drops_requests_in_flight() {
    let mut world = Setup::of(V07).configure(draining(0, LONG)).start().await;
    let waiting = waiting(&world).await;
    world.node.signal(Signal::TERM);
    let said = || world.node.log().join("\n").contains("stopping: requests in flight finish");
    within_seconds(30, async || said().then_some(())).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    waiting.await.unwrap();
}
