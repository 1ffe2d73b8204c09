//! Clients cannot keep others from a port by sending nothing, by sending slowly, or by being many.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests: what can't be done fails")]

mod caching;
mod upgraded;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH};
use axum::routing::{any, get, post};
use http_body_util::BodyExt as _;
use serve::{Bounds, Ended, Listener, Occupancy, Priority};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// No passing test waits that long.
const PATIENCE: Duration = Duration::from_secs(120);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
const POST_HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n";

struct Port {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn port(bounds: Bounds, routes: Router) -> Port {
    watched_port(bounds, routes).await.0
}

/// A port with its counts for operators.
async fn watched_port(bounds: Bounds, routes: Router) -> (Port, Occupancy) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (tcp.local_addr().unwrap(), CancellationToken::new());
    let listener = Listener::new(tcp, bounds);
    let occupancy = listener.occupancy();
    let serving = tokio::spawn(listener.serve(routes, stop.clone()));
    (Port { address, stop, serving }, occupancy)
}

/// A service whose answers wait until they are told to go on.
#[derive(Clone, Default)]
struct Slow {
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl Slow {
    fn routes(&self) -> Router {
        let Self { begun, go } = self.clone();
        let handler = async move |_: Bytes| {
            begun.notify_one();
            go.notified().await;
            "done"
        };
        Router::new().route("/", any(handler))
    }

    async fn is_served(&self) {
        timeout(PATIENCE, self.begun.notified()).await.expect("it is not served");
    }
}

fn echo() -> Router {
    Router::new().route("/", get(|| async { "here" }).post(|body: Bytes| async move { body }))
}

impl Port {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects from another local address.
    async fn from(&self, address: IpAddr, bytes: &[u8]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    async fn sending(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }
}

/// Reads everything until the connection ends, in any way.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    };
    timeout(PATIENCE, reading).await.expect("the connection stays open");
    String::from_utf8(answer).unwrap()
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 1024];
    let count = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("no answer").unwrap();
    String::from_utf8(buffer[..count].to_vec()).unwrap()
}

const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);

fn patient() -> Bounds {
    Bounds {
        total: 8,
        per_address: 8,
        upgraded: 4,
        upgraded_per_address: 4,
        header: NEVER,
        body: NEVER,
        serving: NEVER,
        idle: NEVER,
        memory: 64 << 20,
    }
}

#[tokio::test]
async fn idle_connections_and_slow_bodies_keep_no_client_out() {
    let port = port(patient(), echo()).await;
    let mut floods = Vec::new();
    for _ in 0..20 {
        floods.push(port.connect().await);
        floods.push(port.sending(b"GET / HT").await);
        floods.push(port.sending(POST_HEAD).await);
    }
    let mut honest = port.sending(GET).await;
    assert!(answer(&mut honest).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut floods[0]).await, "", "the one that waited longest was ended");
}

#[tokio::test]
async fn a_reconnecting_flood_ends_no_request_of_an_address_with_fewer_connections() {
    let (port, occupancy) = watched_port(Bounds { total: 24, ..patient() }, echo()).await;
    let mut honest = Vec::new();
    for _ in 0..4 {
        honest.push(port.from([127, 0, 0, 9].into(), POST_HEAD).await);
    }
    let mut flood = Vec::new();
    for turn in 0..200 {
        flood.push(port.from([127, 0, 0, 20 + turn % 4].into(), b"GET / HT").await);
    }
    let all_came = async {
        while occupancy.tally().ended.evicted < 180 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, all_came).await.expect("the port is not full");
    for stream in &mut honest {
        stream.write_all(b"1234567890").await.unwrap();
        assert!(answer(stream).await.ends_with("1234567890"));
    }
    // A new client is admitted too.
    let mut newcomer = port.from([127, 0, 0, 10].into(), GET).await;
    assert!(answer(&mut newcomer).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_that_the_service_prioritises_outlasts_a_flood_from_many_addresses() {
    let known = async |request: Request| request.extensions().get::<Priority>().unwrap().raise();
    let routes = echo().route("/known", get(known));
    let (port, occupancy) = watched_port(Bounds { total: 16, ..patient() }, routes).await;
    let mut relay = Vec::new();
    for _ in 0..2 {
        let mut stream = port.sending(b"GET /known HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        relay.push(stream);
    }
    let mut flood = Vec::new();
    for host in 20..60 {
        flood.push(port.from([127, 0, 0, host].into(), b"").await);
    }
    let all_came = async {
        while occupancy.tally().ended.evicted < 26 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, all_came).await.expect("the port is not full");
    for stream in &mut relay {
        stream.write_all(GET).await.unwrap();
        assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn unread_answers_are_bounded_and_cost_the_address_with_most_of_them() {
    const LARGE: usize = 4 << 20;
    let large = get(|| async { vec![b'x'; LARGE] });
    let bounds = Bounds { total: 64, per_address: 64, memory: 4 * LARGE, ..patient() };
    let (port, occupancy) = watched_port(bounds, echo().route("/large", large)).await;
    let asking = b"GET /large HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut honest = port.from([127, 0, 0, 2].into(), asking).await;
    let mut begun = [0; 1];
    honest.read_exact(&mut begun).await.unwrap();
    let mut greedy = Vec::new();
    while occupancy.tally().ended.memory < 4 {
        greedy.push(port.sending(asking).await);
        assert!(greedy.len() < 60, "{:?}", occupancy.tally());
        sleep(Duration::from_millis(5)).await;
    }
    // A slow client that has not left more unread than others still gets everything.
    let mut taken = 0;
    let taking = async {
        let mut buffer = vec![0; 64 << 10];
        while taken < LARGE {
            taken += honest.read(&mut buffer).await.unwrap();
        }
    };
    timeout(PATIENCE, taking).await.expect("the answer does not come");
    assert_eq!(occupancy.tally().ended.evicted, 0);
}

#[tokio::test]
async fn a_client_that_sends_no_header_is_disconnected() {
    let (port, occupancy) = watched_port(Bounds { header: SOON, ..patient() }, echo()).await;
    for sent in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: test\r\n"] {
        assert_eq!(rest(&mut port.sending(sent).await).await, "");
    }
    // Sending byte by byte gives no more time.
    let (mut reading, mut writing) = port.connect().await.into_split();
    let dribble = tokio::spawn(async move {
        let begun = Instant::now();
        while writing.write_all(b"G").await.is_ok() && begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let mut nothing = [0; 1];
    let ended = timeout(PATIENCE, reading.read(&mut nothing)).await.expect("it has no deadline");
    assert!(matches!(ended, Ok(0) | Err(_)));
    dribble.await.unwrap();
    assert_eq!(occupancy.tally().ended, Ended { slow: 4, ..Ended::default() });
}

#[tokio::test]
async fn a_refused_client_is_answered_after_its_header_and_before_its_body() {
    let slow = Slow::default();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (tcp.local_addr().unwrap(), CancellationToken::new());
    let listener = Listener::new(tcp, Bounds { total: 1, ..patient() }).refusing_with(async |request| {
        let origin = request.headers().get("origin").cloned();
        let mut response = http::Response::new(Bytes::from(request.body().to_string()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let allowed = origin.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        response.headers_mut().extend(allowed);
        // Frameworks send Content-Length.
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response
    });
    let serving = tokio::spawn(listener.serve(slow.routes(), stop.clone()));
    let port = Port { address, stop, serving };
    let _served = port.sending(GET).await;
    slow.is_served().await;

    let mut page = port.sending(b"POST / HTTP/1.1\r\nhost: test\r\norigin: https://dapp.example\r\n").await;
    page.write_all(b"content-length: 100000\r\n\r\n").await.unwrap();
    // More than the system's buffers hold.
    let _ = page.write_all(&[b' '; 50_000]).await;
    let answer = rest(&mut page).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://dapp.example"), "{answer}");
    assert!(answer.contains("retry-after: 1") && answer.ends_with("at most 1 at once"), "{answer}");

    let silent = rest(&mut port.connect().await).await;
    assert!(silent.starts_with("HTTP/1.1 503") && silent.ends_with("at most 1 at once"), "{silent}");
    for answer in [answer, silent] {
        assert_eq!(answer.matches("content-length: ").count(), 1, "{answer}");
    }
    slow.go.notify_one();
}

#[tokio::test]
async fn a_client_refused_before_its_body_is_read_gets_the_answer_and_connection_close() {
    let routes = Router::new().route("/", post(async || StatusCode::PAYLOAD_TOO_LARGE));
    let port = port(patient(), routes).await;
    for length in [20, 800_000] {
        let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
        let mut client = port.sending(head.as_bytes()).await;
        // Clients read only after they have sent everything.
        client.write_all(&vec![b' '; length]).await.expect("it is closed while the body is sent");
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    // A client that asks first is told before it sends anything.
    let asking = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 800000\r\nexpect: 100-continue\r\n\r\n";
    let answer = rest(&mut port.sending(asking).await).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_fails_in_time() {
    let port = port(Bounds { body: SOON, ..patient() }, echo()).await;
    let mut slow = port.sending(POST_HEAD).await;
    slow.write_all(b"12345").await.unwrap();
    let answer = rest(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let mut whole = port.sending(&[POST_HEAD, b"1234567890"].concat()).await;
    assert!(self::answer(&mut whole).await.ends_with("1234567890"));
}

#[tokio::test]
async fn a_body_in_many_pieces_is_passed_on_in_few() {
    let frames = async |request: Request| {
        let (mut body, mut sizes) = (request.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            sizes.push(frame.unwrap().into_data().unwrap().len());
        }
        format!("{} in {}", sizes.iter().sum::<usize>(), sizes.len())
    };
    let port = port(patient(), Router::new().route("/", post(frames))).await;
    let mut stream = port.sending(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 40000\r\n\r\n").await;
    stream.set_nodelay(true).unwrap();
    for _ in 0..200 {
        stream.write_all(b"x").await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    stream.write_all(&[b'x'; 39_800]).await.unwrap();
    let all = answer(&mut stream).await;
    assert!(["40000 in 1", "40000 in 2", "40000 in 3"].iter().any(|few| all.ends_with(few)), "{all}");

    let mut stream = port.sending(b"POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    stream.write_all(&b"1\r\nx\r\n".repeat(300)).await.unwrap();
    stream.write_all(b"0\r\ntrailer: x\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream).await.ends_with("300 in 1"));
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_until_its_deadline() {
    // Longer than a busy machine takes to send the next request.
    let port = port(Bounds { idle: Duration::from_secs(5), ..patient() }, echo()).await;
    let mut kept = port.sending(GET).await;
    assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"));
    kept.write_all(GET).await.unwrap();
    assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut kept).await, "");
}

#[tokio::test]
async fn a_connection_refused_at_a_busy_port_is_told_the_limit() {
    let slow = Slow::default();
    let port = port(Bounds { total: 2, per_address: 1, ..patient() }, slow.routes()).await;
    let mut served = port.sending(POST_HEAD).await;
    served.write_all(b"1234567890").await.unwrap();
    slow.is_served().await;

    let refused = rest(&mut port.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("at most 1 at once from one address"), "{refused}");
    slow.go.notify_one();
    assert!(answer(&mut served).await.ends_with("done"));
}

#[tokio::test]
async fn long_requests_of_few_addresses_keep_no_other_address_out() {
    let slow = Router::new().route("/", get(std::future::pending::<()>)).route("/http", get(async || "here"));
    let (port, occupancy) = watched_port(Bounds { total: 6, ..patient() }, slow).await;
    let mut floods = Vec::new();
    for host in [1, 2] {
        for _ in 0..3 {
            floods.push(port.from([127, 0, 0, host].into(), GET).await);
        }
    }
    let all_served = async {
        while occupancy.now().serving < 6 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, all_served).await.expect("they are not served");
    let mut honest = port.from([127, 0, 0, 3].into(), b"GET /http HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(answer(&mut honest).await.ends_with("here"));
    // The ended request was told why, and its connection was closed.
    let ended = rest(&mut floods[0]).await;
    assert!(ended.starts_with("HTTP/1.1 503") && ended.contains("retry-after: 1"), "{ended}");
    assert!(ended.contains("at most 6 at once, and this address had most of them"), "{ended}");
    assert_eq!(occupancy.now().serving, 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_answered_in_time_is_refused_and_its_connection_closed() {
    let pending = Router::new().route("/", get(std::future::pending::<()>));
    let (port, occupancy) = watched_port(Bounds { serving: SOON, ..patient() }, pending).await;
    let answer = rest(&mut port.sending(GET).await).await;
    assert_eq!(occupancy.tally().ended, Ended { late: 1, ..Ended::default() });
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("no answer within 5 s"), "{answer}");
}

#[tokio::test]
async fn a_shutdown_lets_responses_finish_and_accepts_no_more_connections() {
    let slow = Slow::default();
    let port = port(patient(), slow.routes()).await;
    let mut served = port.sending(GET).await;
    let mut idle = port.connect().await;
    slow.is_served().await;
    port.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    slow.go.notify_one();
    assert!(rest(&mut served).await.ends_with("done"));
    timeout(PATIENCE, port.serving).await.expect("it does not end").unwrap().unwrap();
    assert!(TcpStream::connect(port.address).await.is_err());
}
