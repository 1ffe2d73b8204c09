//! How a process ends: first not ready, then deaf, then done.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Setup, Signal, TeeAccount, World, within_seconds};

/// No test waits for its end.
const LONG: u64 = 3600;

fn draining(seconds: u64, finish: u64) -> impl FnOnce(&mut Value) {
    move |configuration| {
        configuration["shutdown"] = json!({ "drain_seconds": seconds, "finish_seconds": finish });
        configuration["connections"] = json!({ "body_seconds": LONG });
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

/// A request in flight: its body is being read, as the server has said, and never ends.
async fn in_flight(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.node.address("rpc")).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\
                expect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream
}

/// Nobody is left to answer it.
async fn dropped(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good an end.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 2"));
}

#[tokio::test]
async fn requests_in_flight_are_dropped_after_their_time() {
    let mut world = Setup::of(V07).configure(draining(0, 1)).start().await;
    let in_flight = in_flight(&world).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    dropped(in_flight).await;
    let log = world.node.log().join("\n");
    assert!(log.contains("requests were still in flight after shutdown.finish_seconds (1 s)"), "{log}");
}

#[tokio::test]
async fn another_signal_drops_requests_in_flight() {
    let mut world = Setup::of(V07).configure(draining(0, LONG)).start().await;
    let in_flight = in_flight(&world).await;
    world.node.signal(Signal::TERM);
    let said = || world.node.log().join("\n").contains("stopping: requests in flight finish");
    within_seconds(30, async || said().then_some(())).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    dropped(in_flight).await;
}
