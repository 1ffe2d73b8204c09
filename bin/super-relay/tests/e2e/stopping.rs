//! How a process ends: first not ready, then closed to new connections, then done.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Setup, Signal, TeeAccount, World, eventually};

/// Longer than any test waits.
const LONG: u64 = 3600;
/// Length of a body that is never sent.
const NEVER_WHOLE: usize = 10_000;

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

    eventually(async || (world.ops("/readyz").await.0 == 503).then_some(())).await;
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
async fn a_kms_alone_is_not_ready_at_once_and_makes_accounts_until_it_has_drained() {
    let mut world = Setup::of(V07).configure(draining(LONG, 20)).start_apart().await;
    world.kms_process().signal(Signal::TERM);

    let ready = format!("{}/readyz", world.kms_process().url("ops"));
    eventually(async || (devkit::http::get(&ready).await.unwrap().status() == 503).then_some(())).await;
    assert!(devkit::http::get(&ready).await.unwrap().text().await.unwrap().contains("it is stopping"));
    TeeAccount::create(&world).await;

    // Another signal ends the draining.
    assert!(world.stop_kms().await.success());
    assert!(TcpStream::connect(world.kms_process().address("kms")).await.is_err());
}

#[tokio::test]
async fn an_interrupt_of_a_person_does_not_wait_for_a_load_balancer() {
    let mut world = Setup::of(V07).configure(draining(LONG, 20)).start().await;
    world.node.signal(Signal::INT);
    assert!(world.node.ended().await.success());
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request in flight: the server has confirmed that it reads the body of this many bytes, which
/// has not begun.
async fn in_flight(world: &World, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(world.node.address("rpc")).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; CONTINUE.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, CONTINUE);
    stream
}

/// Stops it, and waits for the log line that requests in flight finish.
async fn finishing(world: &World) {
    let said = || world.node.log().join("\n").contains("stopping: requests in flight finish");
    eventually(async || said().then_some(())).await;
}

#[tokio::test]
async fn told_to_stop_it_finishes_the_request_in_flight_and_exits_with_zero() {
    let mut world = Setup::of(V07).configure(draining(0, LONG)).start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let params = json!([operation, account.id, account.approve(&world, &operation).await]);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_sponsor_with_tee", "params": params }).to_string();
    let mut stream = in_flight(&world, body.len()).await;
    world.node.signal(Signal::TERM);
    finishing(&world).await;
    stream.write_all(body.as_bytes()).await.unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, answer) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert!(world.node.ended().await.success());
    assert!(world.entry_point().handle_ops(&answer["result"]["userOperation"]).await.unwrap().success);
}

/// The connection is closed without an answer.
async fn dropped(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset counts as well.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 2"));
}

#[tokio::test]
async fn requests_in_flight_are_dropped_after_their_time() {
    let mut world = Setup::of(V07).configure(draining(0, 1)).start().await;
    let in_flight = in_flight(&world, NEVER_WHOLE).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    dropped(in_flight).await;
    let log = world.node.log().join("\n");
    assert!(log.contains("requests were still in flight after shutdown.finish_seconds (1 s)"), "{log}");
}

#[tokio::test]
async fn another_signal_drops_requests_in_flight() {
    let mut world = Setup::of(V07).configure(draining(0, LONG)).start().await;
    let in_flight = in_flight(&world, NEVER_WHOLE).await;
    world.node.signal(Signal::TERM);
    finishing(&world).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    dropped(in_flight).await;
}
