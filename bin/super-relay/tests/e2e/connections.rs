//! Clients that send nothing or send slowly do not block others, on any port.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Duration, sleep, timeout};

use crate::support::{Kms, PATIENCE, Process, Rpc, Setup, TeeAccount, World, eventually, ready, write_configuration};

/// A body of this request never ends.
const SLOW_BODY: &[u8] =
    b"POST / HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n{";
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn connections(address: &str, count: usize, each_sends: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may already be closed, in favour of later clients.
        let _ = stream.write_all(each_sends).await;
        open.push(stream);
    }
    open
}

/// Every port answers a new client.
async fn all_ports_answer(process: &Process) {
    let chain_id = Rpc::at(process.url("rpc")).call("pm_chainId", json!([])).await.unwrap();
    assert_eq!(chain_id, "0x7a69");
    Kms::at(process.url("kms")).get("/health").await.unwrap();
    for path in ["/livez", "/metrics"] {
        let answer = devkit::http::get(format!("{}{path}", process.url("ops"))).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    ready(process).await;
    let metrics = devkit::http::get(format!("{}/metrics", process.url("ops"))).await.unwrap().text().await.unwrap();
    for line in
        [r#"connections_open{port="ops",state="serving"} 1"#, r#"connections_open{port="rpc",state="upgraded"} "#]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
}

/// Reads until the connection is closed.
async fn ended(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    let reading = async { while let Ok(1..) = stream.read(&mut buffer).await {} };
    timeout(PATIENCE, reading).await.expect("the connection stays open");
}

#[tokio::test]
async fn a_thousand_idle_connections_under_a_limit_of_1024_files_stop_no_port() {
    serve::raise_limit().unwrap();
    let ground = Setup::of(V07).prepare().await;
    let file = ground.data.path().join("limited.toml");
    write_configuration(&ground.configuration, &file);
    let process = Process::start_limited("node", &file, "ulimit -n 1024").await;
    assert!(process.log().join("").contains("fewer connections than configured"), "{:?}", process.log());

    for port in ["rpc", "kms", "ops"] {
        let _open = connections(process.address(port), 1000, b"").await;
        all_ports_answer(&process).await;
    }
    let mut all = Vec::new();
    for port in ["rpc", "kms", "ops"] {
        all.push(connections(process.address(port), 400, b"").await);
    }
    all_ports_answer(&process).await;
}

#[tokio::test]
async fn eleven_hundred_bodies_at_a_byte_per_second_block_no_other_client() {
    serve::raise_limit().unwrap();
    let world = World::start(V07).await;
    for port in ["rpc", "kms"] {
        let mut open = connections(world.node.address(port), 1100, SLOW_BODY).await;
        let dribble = async {
            loop {
                for stream in &mut open {
                    // Most are closed in time.
                    let _ = stream.write_all(b" ").await;
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = dribble => {}
            () = all_ports_answer(&world.node) => {}
        }
    }
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    account.sponsored(&world, &operation).await.unwrap();
}

#[tokio::test]
async fn every_port_closes_connections_without_a_request() {
    let hasty =
        |configuration: &mut Value| configuration["connections"] = json!({ "header_seconds": 1, "idle_seconds": 2 });
    // No other test uses a node with such short timeouts.
    let ground = Setup::of(V07).configure(hasty).prepare().await;
    let file = ground.data.path().join("hasty.toml");
    write_configuration(&ground.configuration, &file);
    let node = Process::start("node", &file).await;
    for port in ["rpc", "kms", "ops"] {
        for sent in [&b""[..], b"GET / HTTP/1.1\r\nhost:"] {
            ended(connections(node.address(port), 1, sent).await.remove(0)).await;
        }
    }
    // A slow handshake of a WebSocket is a slow header.
    ended(connections(node.address("rpc"), 1, &UPGRADE[..100]).await.remove(0)).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_with_a_reason() {
    // The header's deadline is not what is tested, and a machine under load takes its time to read
    // one.
    let hasty = |configuration: &mut Value| {
        configuration["connections"] = json!({ "header_seconds": 60, "body_seconds": 1, "idle_seconds": 60 });
    };
    let world = Setup::of(V07).configure(hasty).start().await;
    let relay = slow_body(&world, "rpc", "/").await;
    assert!(relay.starts_with("HTTP/1.1 408"), "{relay}");
    assert!(relay.contains(r#""reason":"body_not_received","retryable":true"#), "{relay}");
    let kms = slow_body(&world, "kms", "/webauthn/register/begin").await;
    assert!(kms.starts_with("HTTP/1.1 408"), "{kms}");
    assert!(kms.contains(r#""code":"body_not_received""#), "{kms}");
    // No route of this port reads a body: it answers, and closes the connection.
    let ops = slow_body(&world, "ops", "/status").await;
    assert!(ops.starts_with("HTTP/1.1 405"), "{ops}");
}

async fn slow_body(world: &World, port: &str, path: &str) -> String {
    let request = String::from_utf8(SLOW_BODY.to_vec()).unwrap().replace("POST /", &format!("POST {path}"));
    let mut stream = connections(world.node.address(port), 1, request.as_bytes()).await.remove(0);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_web_socket_that_leaves_pings_unanswered_is_closed() {
    let silent = |configuration: &mut Value| configuration["connections"] = json!({ "idle_seconds": 2 });
    let world = Setup::of(V07).configure(silent).start().await;
    let mut socket = connections(world.node.address("rpc"), 1, UPGRADE).await.remove(0);
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    ended(socket).await;
}

#[tokio::test]
async fn live_web_sockets_from_many_addresses_leave_http_and_the_other_ports_their_connections() {
    let few = |configuration: &mut Value| {
        configuration["relay"]["rpc"]["max_connections"] = 40.into();
        configuration["connections"]["per_address"] = 24.into();
    };
    let world = Setup::of(V07).configure(few).start().await;
    let address: SocketAddr = world.node.address("rpc").parse().unwrap();
    let (mut live, mut refused) = (Vec::new(), Vec::new());
    for host in 1..=4 {
        for _ in 0..16 {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, host], 0).into()).unwrap();
            let mut socket = socket.connect(address).await.unwrap();
            socket.write_all(UPGRADE).await.unwrap();
            let header = header(&mut socket).await;
            if header.starts_with("HTTP/1.1 101") { live.push(socket) } else { refused.push((socket, header)) }
        }
    }
    // The first had half of an address's; each of the others took from those with most until they
    // had as many.
    assert_eq!((live.len(), refused.len()), (12 + 10 + 6 + 5, 4 + 6 + 10 + 11));
    for (mut socket, header) in refused.drain(..) {
        assert!(header.starts_with("HTTP/1.1 503"), "{header}");
        let mut rest = [0; 1024];
        let count = socket.read(&mut rest).await.unwrap();
        let rest = String::from_utf8_lossy(&rest[..count]);
        assert!(rest.contains(r#""reason":"too_many_websockets","retryable":true"#), "{rest}");
    }
    // An evicted client may notice later than the client that replaced it.
    let mut open = timeout(PATIENCE, until_so_many_answer(20, live)).await.expect("more sessions than have a place");
    assert_eq!(open.len(), 20);
    all_ports_answer(&world.node).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    account.sponsored(&world, &operation).await.unwrap();
    for socket in &mut open {
        answers_ping(socket).await.expect("a session was closed for a request");
    }
}

/// Only the header of an answer.
async fn header(stream: &mut TcpStream) -> String {
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(header).unwrap()
}

/// The remaining WebSockets, once at most this many answer.
async fn until_so_many_answer(most: usize, mut open: Vec<TcpStream>) -> Vec<TcpStream> {
    while open.len() > most {
        let mut answering = Vec::new();
        for mut socket in open {
            if answers_ping(&mut socket).await.is_ok() {
                answering.push(socket);
            }
        }
        open = answering;
    }
    open
}

/// Whether the other end of a WebSocket answers a ping; its own pings may come before.
async fn answers_ping(socket: &mut TcpStream) -> io::Result<()> {
    // Masked with zeros, and empty (RFC 6455, section 5.2).
    socket.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await?;
    loop {
        let [kind, length] = [socket.read_u8().await?, socket.read_u8().await?];
        socket.read_exact(&mut vec![0; length.into()]).await?;
        match kind {
            0x8a => return Ok(()),
            0x88 => return Err(ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
    let ground = Setup::of(V07).prepare().await;
    let file = ground.data.path().join("soft.toml");
    write_configuration(&ground.configuration, &file);
    let process = Process::start_limited("node", &file, "ulimit -Sn 256 && ulimit -Hn 4096").await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().collect::<Vec<_>>()[3..5], ["4096", "4096"], "{files}");
}

#[tokio::test]
async fn no_library_logs_each_body_that_a_client_sends_wrongly() {
    let world = World::start(V07).await;
    let wrong =
        b"POST / HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n";
    for mut stream in connections(world.node.address("rpc"), 5, wrong).await {
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.contains("body_malformed"), "{answer}");
    }
    let logged = || world.node.log().iter().any(|line| line.contains("body_malformed")).then_some(());
    eventually(async || logged()).await;
    let log = world.node.log();
    assert!(!log.iter().any(|line| line.contains("jsonrpsee")), "{log:?}");
}
