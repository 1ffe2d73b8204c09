//! WebSocket messages: how many are read, and what ends a connection.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: what can't be done fails"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use serve::{Answer, Bounds, Client, Listener, Occupancy, Turn, Turns, WebSocket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);
/// Bytes.
const LIMIT: usize = 1000;

/// Answers a message with `length` bytes once there is a permit; `-` gets no answer.
#[derive(Clone)]
struct Slow {
    begun: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    length: usize,
    turns: Turns,
}

impl Slow {
    fn of(permits: usize, length: usize) -> Self {
        Self { begun: Arc::default(), permits: Arc::new(Semaphore::new(permits)), length, turns: Turns::default() }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Answer for Slow {
    async fn turn(self) -> Turn {
        let turn = self.turns.of(Client::Untold);
        turn.begin().await;
        turn
    }

    async fn answer(self, message: Bytes, turn: Turn) -> Option<String> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        turn.until_it_waits(self.permits.acquire()).await.unwrap().forget();
        (message != "-").then(|| "x".repeat(self.length))
    }

    fn too_long(&self) -> String {
        "too long".to_owned()
    }

    fn too_slow(&self) -> String {
        "too slow".to_owned()
    }
}

struct Port {
    address: SocketAddr,
    occupancy: Occupancy,
    stop: CancellationToken,
}

async fn port(bounds: Bounds, answer: Slow) -> Port {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, listener, stop) = (tcp.local_addr().unwrap(), Listener::new(tcp, bounds), CancellationToken::new());
    let (occupancy, stopped) = (listener.occupancy(), stop.clone());
    let open = async move |mut request: Request| -> Response {
        let (response, socket) = WebSocket::of(&mut request).unwrap();
        tokio::spawn(socket.serve(LIMIT, stopped, answer));
        response.map(|()| Body::empty())
    };
    tokio::spawn(listener.serve(Router::new().route("/", get(open)), CancellationToken::new()));
    Port { address, occupancy, stop }
}

impl Port {
    async fn connect(&self) -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        client_async("ws://test/", stream).await.unwrap().0
    }

    /// A raw stream after the handshake, for frames that no normal client sends.
    async fn bare(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let handshake = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
    }
}

/// Sends bytes evenly over that time.
async fn slowly(stream: &mut TcpStream, bytes: &[u8], over: Duration) {
    let pause = over / u32::try_from(bytes.len()).unwrap();
    for byte in bytes {
        let _ = stream.write_all(&[*byte]).await;
        sleep(pause).await;
    }
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).unwrap().to_be_bytes();
    match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => [&[first, 0x80 | short][..], &[0; 4], payload].concat(),
        _ => [&[first, 0x80 | 127][..], &length, &[0; 4], payload].concat(),
    }
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Result<Message, Error>> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("nothing comes") {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => return other,
        }
    }
}

async fn close_code(socket: &mut WebSocketStream<TcpStream>) -> CloseCode {
    match next(socket).await {
        Some(Ok(Message::Close(Some(close)))) => close.code,
        other => panic!("not closed: {other:?}"),
    }
}

#[tokio::test]
async fn sixty_four_messages_are_answered_at_once_and_the_others_read_later() {
    let answer = Slow::of(0, 1);
    let port = port(Bounds::default(), answer.clone()).await;
    let mut socket = port.connect().await;
    for _ in 0..100 {
        socket.send(Message::text("?")).await.unwrap();
    }
    until(|| answer.begun() == 64).await;
    sleep(SOON).await;
    assert_eq!(answer.begun(), 64);
    answer.permits.add_permits(100);
    for _ in 0..100 {
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::text("x"));
    }
    // A message without an answer frees its place as well.
    answer.permits.add_permits(200);
    for _ in 0..199 {
        socket.send(Message::text("-")).await.unwrap();
    }
    socket.send(Message::binary(Bytes::from_static(b"?"))).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::text("x"));
}

#[tokio::test]
async fn little_is_read_from_a_client_that_reads_no_answers() {
    let answer = Slow::of(1_000_000, 60_000);
    let port = port(Bounds::default(), answer.clone()).await;
    let mut stream = port.bare().await;
    let pinging = [frame(0x81, b"?"), frame(0x89, b""), frame(0x81, b"?"), frame(0x8a, b"")].concat();
    let sending = async {
        loop {
            stream.write_all(&pinging).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_secs(2), sending).await.is_err(), "it is ended");
    // The socket buffers at both ends, and 256 KiB.
    assert!(answer.begun() < 200, "{} messages were read", answer.begun());
}

#[tokio::test]
async fn a_message_over_the_limit_is_answered_and_closes_the_web_socket_also_in_fragments() {
    let answer = Slow::of(1000, 1);
    let port = port(Bounds::default(), answer.clone()).await;
    let mut socket = port.connect().await;
    socket.send(Message::text("?")).await.unwrap();
    socket.send(Message::text("?".repeat(LIMIT + 1))).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::text("x"));
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::text("too long"));
    assert_eq!(close_code(&mut socket).await, CloseCode::Size);

    // In fragments, each within the limit; the bytes that follow look like other frames to a parser
    // that loses count.
    let mut stream = port.bare().await;
    let many = frame(0x81, b"?").repeat(50);
    let all = [frame(0x01, &[b'?'; LIMIT - 1]), frame(0x80, b"??"), frame(0x82, &many), many].concat();
    stream.write_all(&all).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is open");
    assert_eq!(answer.begun(), 1);
}

#[tokio::test]
async fn incomplete_messages_cost_memory_until_their_address_is_over_the_bound() {
    let port = port(Bounds { memory: 40_000, ..Bounds::default() }, Slow::of(0, 1)).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut stream = port.bare().await;
        stream.write_all(&frame(0x01, &[b'?'; LIMIT - 1])).await.unwrap();
        open.push(stream);
    }
    until(|| port.occupancy.tally().ended.memory > 0).await;
}

#[tokio::test]
async fn no_message_is_answered_before_its_clients_turn() {
    let answer = Slow::of(100, 1);
    let port = port(Bounds::default(), answer.clone()).await;
    let other = answer.turns.of(Client::Untold);
    other.begin().await;
    let mut socket = port.connect().await;
    for _ in 0..10 {
        socket.send(Message::text("x".repeat(900))).await.unwrap();
    }
    // Long enough for them to be answered otherwise.
    sleep(SOON).await;
    assert_eq!(answer.begun(), 0);
    drop(other);
    for _ in 0..10 {
        assert!(matches!(next(&mut socket).await, Some(Ok(Message::Text(_)))));
    }
}

#[tokio::test]
async fn a_client_that_reads_no_answers_keeps_no_turn() {
    let answer = Slow::of(0, 1_000_000);
    let port = port(Bounds { memory: 1 << 30, ..Bounds::default() }, answer.clone()).await;
    let mut stream = port.bare().await;
    let first = answer.turns.of(Client::Untold);
    // More bytes than the socket buffers of both ends have room for.
    for _ in 0..32 {
        stream.write_all(&frame(0x81, b"?")).await.unwrap();
    }
    until(|| answer.begun() == 32).await;
    first.begin().await;
    stream.write_all(&frame(0x81, b"?")).await.unwrap();
    // Long enough for the message to wait for its turn, and then for the buffers to be full.
    sleep(SOON).await;
    answer.permits.add_permits(32);
    sleep(SOON).await;
    drop(first);
    let next = answer.turns.of(Client::Untold);
    // Less than the idle limit, which would end the connection.
    timeout(PATIENCE / 3, next.begin()).await.expect("the turn of a client that does not read lasts");
    assert_eq!(answer.begun(), 33);
}

#[tokio::test]
async fn no_more_answers_are_made_for_a_web_socket_that_was_evicted() {
    let answer = Slow::of(0, 60_000);
    let port = port(Bounds { memory: 150_000, ..Bounds::default() }, answer.clone()).await;
    let mut socket = port.connect().await;
    for _ in 0..64 {
        socket.send(Message::text("x")).await.unwrap();
    }
    until(|| answer.begun() == 64).await;
    answer.permits.add_permits(64);
    while let Some(Ok(_)) = next(&mut socket).await {}
    until(|| port.occupancy.now().upgraded == 0).await;
    assert!(answer.permits.available_permits() >= 60, "{} are left", answer.permits.available_permits());
}

#[tokio::test]
async fn a_message_that_misses_its_deadline_is_answered_and_one_slower_than_the_idle_limit_is_read() {
    // Long compared with the pauses of a busy machine.
    let idle = Duration::from_secs(2);
    let answer = Slow::of(1000, 1);
    let patient = port(Bounds { idle, ..Bounds::default() }, answer.clone()).await;
    let mut stream = patient.bare().await;
    slowly(&mut stream, &frame(0x81, &[b'?'; 60]), idle * 2).await;
    until(|| answer.begun() == 1).await;

    let body = Duration::from_millis(300);
    let strict = port(Bounds { body, ..Bounds::default() }, answer.clone()).await;
    let mut stream = strict.bare().await;
    // Control frames between the fragments do not extend the deadline.
    let fragments = [frame(0x01, b"?"), frame(0x89, b"ping"), frame(0x00, b"?")].concat().repeat(20);
    let sending = slowly(&mut stream, &fragments, body * 20);
    let _ = timeout(body * 10, sending).await.expect_err("all of it was sent");
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it is open");
    assert!(all.windows(8).any(|window| window == b"too slow"), "{all:?}");
    assert!(all.ends_with(&[0x88, 2, 0x03, 0xf0]), "not closed with 1008: {all:?}");
    assert_eq!(answer.begun(), 1);
}

#[tokio::test]
async fn control_frames_are_not_part_of_a_message() {
    let strict = Bounds { body: Duration::from_secs(1), ..Bounds::default() };
    let answer = Slow::of(1000, 1);
    let port = port(strict, answer.clone()).await;
    let mut stream = port.bare().await;
    for _ in 0..20 {
        // Whole frames: half of one would begin a message.
        stream.write_all(&[frame(0x89, b""), frame(0x8a, b"four")].concat()).await.unwrap();
        sleep(strict.body / 10).await;
    }
    stream.write_all(&frame(0x81, b"?")).await.unwrap();
    until(|| answer.begun() == 1).await;
}

#[tokio::test]
async fn a_client_that_sends_control_frames_without_end_is_ended() {
    let answer = Slow::of(1000, 1);
    let port = port(Bounds::default(), answer.clone()).await;
    let mut stream = port.bare().await;
    stream.write_all(&frame(0x8a, b"").repeat(900)).await.unwrap();
    stream.write_all(&frame(0x81, b"?")).await.unwrap();
    until(|| answer.begun() == 1).await;
    // More than are allowed before and after the first ping together.
    let _ = stream.write_all(&frame(0x8a, b"").repeat(1200)).await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE / 3, stream.read_to_end(&mut rest)).await.expect("it is open");
}

#[tokio::test]
async fn a_client_without_pongs_is_ended_and_a_stop_answers_first() {
    let answer = Slow::of(0, 1);
    let port = port(Bounds { idle: Duration::from_millis(600), ..Bounds::default() }, answer.clone()).await;
    let mut silent = port.bare().await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("it is open");
    assert!(rest.contains(&0x89), "there was no ping");

    let mut socket = port.connect().await;
    socket.send(Message::text("?")).await.unwrap();
    until(|| answer.begun() == 1).await;
    port.stop.cancel();
    answer.permits.add_permits(1);
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::text("x"));
    assert_eq!(close_code(&mut socket).await, CloseCode::Away);
}
