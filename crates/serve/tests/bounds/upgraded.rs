//! Upgraded connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;

use hyper_util::rt::TokioIo;
use serve::Bounds;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, answer, patient, port, rest};

/// The fate of the two halves of an upgraded connection.
#[derive(Default)]
struct Halves {
    read: AtomicUsize,
    ended: AtomicUsize,
    changed: Notify,
}

impl Halves {
    fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// A different protocol that reads everything and writes endlessly, each in its own task.
    fn routes(self: Arc<Self>) -> Router {
        let switch = async move |request: Request| {
            tokio::spawn(async move {
                let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                let (mut reading, mut writing) = tokio::io::split(upgraded);
                let of_reader = Arc::clone(&self);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = reading.read(&mut buffer).await {
                        of_reader.read.fetch_add(count, Ordering::SeqCst);
                    }
                    of_reader.end();
                });
                while writing.write_all(&[0; 4096]).await.is_ok() {}
                self.end();
            });
            (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "websocket")])
        };
        Router::new().route("/", get(switch))
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_not_read_from_and_both_halves_of_its_upgraded_connection_end() {
    let halves = Arc::<Halves>::default();
    let port = port(Bounds { idle: Duration::from_secs(2), ..patient() }, Arc::clone(&halves).routes()).await;
    let mut stream = port.sending(UPGRADE).await;
    answer(&mut stream).await;
    let mut sent = 0;
    let sending = async {
        // Until the connection is closed: unread bytes stay in the system's buffers.
        while stream.write_all(&[1; 1024]).await.is_ok() {
            sent += 1024;
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, sending).await.expect("the connection stays open");
    while halves.ended.load(Ordering::SeqCst) < 2 {
        timeout(PATIENCE, halves.changed.notified()).await.expect("a half is still open");
    }
    let read = halves.read.load(Ordering::SeqCst);
    assert!(read < sent, "all {sent} bytes were read while nothing was taken");
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n";

/// Live sessions at `/`, which read everything; other paths are answered over HTTP.
fn sessions() -> Router {
    let switch = async |request: Request| {
        tokio::spawn(async move {
            let mut session = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut buffer = [0; 4096];
            while let Ok(1..) = session.read(&mut buffer).await {}
        });
        (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "websocket")])
    };
    Router::new().route("/", get(switch)).route("/http", get(async || "here"))
}

#[tokio::test]
async fn live_sessions_take_at_most_their_share_and_http_has_the_rest() {
    let bounds = Bounds { upgraded: 5, upgraded_per_address: 2, ..patient() };
    let port = port(bounds, sessions()).await;
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    for host in 1..=4 {
        for _ in 0..4 {
            let mut session = port.from([127, 0, 0, host].into(), UPGRADE).await;
            let answer = answer(&mut session).await;
            if answer.starts_with("HTTP/1.1 101") { open.push(session) } else { refused.push((session, answer)) }
        }
    }
    // The fourth address took its one from the first, which had two.
    assert_eq!((open.len(), refused.len()), (6, 10));
    assert_eq!(rest(&mut open.remove(0)).await, "", "the most silent one was ended");
    for (_, answer) in &refused {
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
        assert!(answer.contains("too many WebSockets: at most"), "{answer}");
    }
    assert!(refused[0].1.contains("at most 2 at once from one address"), "{}", refused[0].1);
    assert!(refused[9].1.contains("at most 5 at once; HTTP is served"), "{}", refused[9].1);
    for _ in 0..20 {
        let mut http = port.sending(b"GET /http HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert!(answer(&mut http).await.ends_with("here"));
    }
    for session in &mut open {
        session.write_all(b"still there").await.unwrap();
        assert_eq!(session.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    // Ending a session makes room for another.
    drop(open.pop());
    let again = async {
        loop {
            let mut session = port.from([127, 0, 0, 3].into(), UPGRADE).await;
            if answer(&mut session).await.starts_with("HTTP/1.1 101") {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("there is no room again");
}
