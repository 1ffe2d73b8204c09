//! Accepts connections within the bounds and serves them until told to stop.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{Either, Full as Whole};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use tokio::net::TcpListener;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt as _};

use crate::body::Body;
use crate::bounds::{Bounds, Full};
use crate::caching::forbid_caching;
use crate::connection::Connection;
use crate::hangup::Hangup;
use crate::memory::Memory;
use crate::occupancy::Occupancy;
use crate::priority::Priority;
use crate::refusal::Refusals;
use crate::stream::Stream;
use crate::table::Table;

/// Maximum size of a header, and of the buffer for a body, in bytes.
const MAX_BUFFER: usize = 64 * 1024;
/// Sizes of a connection's socket buffers for reading and writing, in bytes; the system reserves
/// twice as much. Otherwise it grows them to megabytes for a client that does not read.
const SOCKET_BUFFER: usize = 64 * 1024;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Missed heartbeats after which the loop counts as stuck.
const MISSED: u32 = 5;
/// Heartbeats without a failed accept after which a failure counts as over. The failure may concern
/// only the connection it ended, and the next one may arrive much later.
const CLEAN: u32 = 2;
/// Pause after a failed accept: others need the processor to close what they have open.
const PAUSE: Duration = Duration::from_millis(50);

type BoxError = Box<dyn StdError + Send + Sync>;

/// The address of the connection's peer, provided as a request extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A bound port that is not served yet.
pub struct Listener {
    tcp: TcpListener,
    bounds: Bounds,
    refusals: Refusals,
    pulse: Pulse,
    table: Arc<Table>,
}

/// Whether a port accepts connections.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Mutex<Beat>>);

#[derive(Debug)]
struct Beat {
    at: Instant,
    failure: Option<Failure>,
}

/// Why connections cannot be accepted, and when that last happened.
#[derive(Debug)]
struct Failure {
    why: String,
    seen: Instant,
}

impl Listener {
    /// Creates a listener with these bounds.
    #[must_use]
    pub fn new(tcp: TcpListener, bounds: Bounds) -> Self {
        // Connections inherit the listener's buffer sizes.
        let sizes = set_socket_recv_buffer_size(&tcp, SOCKET_BUFFER)
            .and_then(|()| set_socket_send_buffer_size(&tcp, SOCKET_BUFFER));
        if let Err(error) = sizes {
            tracing::warn!(%error, "could not set socket buffer sizes, using the system's");
        }
        Self { tcp, bounds, refusals: Refusals::default(), pulse: Pulse::new(), table: Table::new(bounds) }
    }

    /// Sets the answer for requests that are refused for lack of room. Their body is not read, nor
    /// are their headers unless they arrived immediately.
    #[must_use]
    pub fn refusing_with<F>(self, refusal: impl Fn(Request<Full>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        Self { refusals: Refusals::new(refusal), ..self }
    }

    /// The listener's limits.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// A handle that tells whether connections are accepted.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// A handle that tells how many connections are open.
    #[must_use]
    pub fn occupancy(&self) -> Occupancy {
        Occupancy(Arc::clone(&self.table))
    }

    /// Serves until `shutdown`, then accepts no more connections, and returns when the last
    /// response is sent.
    ///
    /// Does not wait for upgraded connections, which belong to the service.
    ///
    /// # Errors
    /// Never because of a connection: its errors end only that connection.
    pub async fn serve<S, B>(self, service: S, shutdown: CancellationToken) -> io::Result<()>
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Self { tcp, refusals, pulse, table, .. } = self;
        let tasks = TaskTracker::new();
        let mut heartbeat = interval(HEARTBEAT);
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                _ = heartbeat.tick() => {
                    pulse.beat();
                    continue;
                }
                accepted = tcp.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !is_of_the_connection(&error) {
                        pulse.failed(&error);
                        table.make_room();
                        sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            pulse.accepted();
            match table.admit(peer.ip()) {
                Ok(slot) => {
                    let admitted = Admitted {
                        peer,
                        connection: Arc::clone(&slot.connection),
                        table: Arc::clone(&table),
                        refusals: refusals.clone(),
                    };
                    let stream = Stream::new(stream, slot);
                    tasks.spawn(serve_connection(stream, admitted, service.clone(), shutdown.clone()));
                }
                Err(full) => {
                    tasks.spawn(refusals.clone().connection(stream, full));
                }
            }
        }
        // The system refuses new connections from now on.
        drop(tcp);
        tasks.close();
        tasks.wait().await;
        Ok(())
    }
}

impl From<TcpListener> for Listener {
    /// Uses the default bounds.
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, Bounds::default())
    }
}

impl Pulse {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Beat { at: Instant::now(), failure: None })))
    }

    /// Whether connections are accepted.
    ///
    /// # Errors
    /// The cause, for operators.
    pub fn check(&self) -> Result<(), String> {
        let beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Failure { why, .. }) = &beat.failure {
            return Err(format!("connections cannot be accepted: {why}"));
        }
        match beat.at.elapsed() {
            silent if silent > HEARTBEAT * MISSED => {
                Err(format!("no connection has been accepted for {} s", silent.as_secs()))
            }
            _ => Ok(()),
        }
    }

    fn with(&self, change: impl FnOnce(&mut Beat)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn beat(&self) {
        self.with(|beat| {
            beat.at = Instant::now();
            if beat.failure.as_ref().is_some_and(|failure| failure.seen.elapsed() >= HEARTBEAT * CLEAN) {
                beat.recover();
            }
        });
    }

    fn accepted(&self) {
        self.with(|beat| {
            beat.at = Instant::now();
            beat.recover();
        });
    }

    fn failed(&self, error: &io::Error) {
        self.with(|beat| {
            let failure = Failure { why: error.to_string(), seen: Instant::now() };
            if beat.failure.replace(failure).is_none() {
                tracing::warn!(%error, "connections cannot be accepted");
            }
        });
    }
}

impl Beat {
    fn recover(&mut self) {
        if self.failure.take().is_some() {
            tracing::warn!("connections are accepted again");
        }
    }
}

/// The connection was gone before it was accepted: not an error of the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// An admitted connection, and the state its next step depends on.
#[derive(Clone)]
struct Admitted {
    peer: SocketAddr,
    connection: Arc<Connection>,
    table: Arc<Table>,
    refusals: Refusals,
}

async fn serve_connection<S, B>(stream: Stream, admitted: Admitted, service: S, shutdown: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (connection, table) = (Arc::clone(&admitted.connection), Arc::clone(&admitted.table));
    let expired = async {
        connection.expired().await;
        if !connection.is_idle() {
            table.count_ended(|ended| &mut ended.slow);
        }
    };
    let mut expired = std::pin::pin!(expired);
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (service, admitted) = (service.clone(), admitted.clone());
        async move {
            let mut response = admitted.answer(request, service).await?;
            forbid_caching(&mut response);
            Ok::<_, S::Error>(response)
        }
    });
    let mut http = http1::Builder::new();
    // The deadlines are implemented here: hyper has none for a body or an idle connection.
    http.header_read_timeout(None).max_buf_size(MAX_BUFFER);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let last_request = async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = connection.outranked.cancelled() => {}
        }
    };
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = connection.evicted.cancelled() => return,
        () = &mut expired => return,
        () = last_request => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = connection.evicted.cancelled() => return,
                () = expired => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Whether a request is a WebSocket handshake. Other upgrades are offers that a server may ignore:
/// some clients (Java's) offer HTTP/2 with every request.
#[must_use]
pub fn asks_for_web_socket(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(UPGRADE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    protocols.map(<[u8]>::trim_ascii).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

impl Admitted {
    async fn answer<S, B>(
        self,
        request: Request<hyper::body::Incoming>,
        service: S,
    ) -> Result<Response<Either<B, Whole<Bytes>>>, S::Error>
    where
        S: Service<Request<Body>, Response = Response<B>>,
        B: http_body::Body<Data = Bytes>,
    {
        let Self { peer, connection, table, refusals } = self;
        if asks_for_web_socket(request.headers())
            && let Err(full) = table.admit_upgrade(peer.ip(), &connection)
        {
            let response = refusals.answer(request.map(|_| full)).await;
            connection.answered();
            return Ok(response.map(Whole::new).map(Either::Right));
        }
        let unanswered = head(&request);
        let has_body = request.method() != Method::HEAD;
        let (parts, incoming) = request.into_parts();
        let body = Body::new(incoming, &parts.headers, Arc::clone(&connection), Arc::clone(&table));
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Hangup(connection.evicted.clone()));
        let (table_of, connection_of) = (|| Arc::clone(&table), || Arc::clone(&connection));
        request.extensions_mut().insert(Priority { table: table_of(), peer: peer.ip(), connection: connection_of() });
        request.extensions_mut().insert(Memory { table: table_of(), connection: connection_of() });
        let cut_off = async {
            let full = connection.cut_off().await;
            if matches!(full, Full::Late { .. }) {
                table.count_ended(|ended| &mut ended.late);
            }
            let mut response = refusals.answer(unanswered.map(|()| full)).await;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        };
        let response = tokio::select! {
            response = service.oneshot(request) => response.map(|response| {
                let mut response = response.map(Either::Left);
                // hyper would close it too, without telling the client.
                if connection.has_unread_body() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }),
            response = cut_off => Ok(response.map(Whole::new).map(Either::Right)),
        };
        match &response {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => connection.upgraded(),
            Ok(response) if has_body => {
                let length = match response.body() {
                    Either::Left(body) => body.size_hint().lower(),
                    Either::Right(body) => body.size_hint().lower(),
                };
                table.add_untaken(&connection, usize::try_from(length).unwrap_or(usize::MAX));
                connection.answered();
            }
            Ok(_) | Err(_) => connection.answered(),
        }
        response
    }
}

/// The parts of a request that a refusal may depend on.
fn head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    head
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failed_accept_is_over_after_clean_heartbeats() {
        let pulse = Pulse::new();
        pulse.failed(&io::Error::other("no buffer space"));
        assert!(pulse.check().is_err());
        for _ in 0..CLEAN {
            pulse.beat();
            assert!(pulse.check().is_err());
            advance(HEARTBEAT).await;
        }
        pulse.beat();
        assert_eq!(pulse.check(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_between_failed_accepts_do_not_hide_them() {
        let pulse = Pulse::new();
        for _ in 0..10 {
            pulse.failed(&io::Error::other("too many open files"));
            advance(HEARTBEAT).await;
            pulse.beat();
            assert_eq!(pulse.check(), Err("connections cannot be accepted: too many open files".to_owned()));
        }
        pulse.accepted();
        assert_eq!(pulse.check(), Ok(()));
    }
}
