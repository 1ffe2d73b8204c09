//! Accepts connections within the bounds and serves them until told to stop.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt as _};

use crate::body::Body;
use crate::bounds::{Bounds, Full};
use crate::connection::Connection;
use crate::stream::Stream;
use crate::table::Table;

/// Bytes of the largest header, and of what is buffered of a body.
const MAX_BUFFER: usize = 64 * 1024;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Heartbeats without which the loop counts as stuck.
const MISSED: u32 = 5;
/// After a failed accept: others need the processor to end what they have open.
const PAUSE: Duration = Duration::from_millis(50);
/// To take the few bytes of a refusal.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(500);

type BoxError = Box<dyn StdError + Send + Sync>;

/// The address at the other end of the connection; an extension of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A port that is taken and not served yet.
pub struct Listener {
    tcp: TcpListener,
    bounds: Bounds,
    refusal: fn(Full) -> String,
    pulse: Pulse,
}

/// Whether a port accepts connections.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Mutex<Beat>>);

#[derive(Debug)]
struct Beat {
    at: Instant,
    failure: Option<String>,
}

impl Listener {
    /// A listener with these bounds.
    #[must_use]
    pub fn new(tcp: TcpListener, bounds: Bounds) -> Self {
        Self { tcp, bounds, refusal: plain, pulse: Pulse::new() }
    }

    /// Answers a connection that is refused with this JSON, and status 503.
    #[must_use]
    pub fn refusing_with(self, refusal: fn(Full) -> String) -> Self {
        Self { refusal, ..self }
    }

    /// Its limits.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Tells whether connections are accepted.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Serves until `shutdown`, then accepts no more connections, and returns when the last response is sent.
    ///
    /// Does not wait for connections that were upgraded: they are the service's.
    ///
    /// # Errors
    /// None of a connection: they end it alone.
    pub async fn serve<S, B>(self, service: S, shutdown: CancellationToken) -> io::Result<()>
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let Self { tcp, bounds, refusal, pulse } = self;
        let (table, tasks) = (Table::new(bounds), TaskTracker::new());
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
                    let connection = Arc::clone(&slot.connection);
                    let stream = Stream::new(stream, slot);
                    tasks.spawn(serve_connection(stream, peer, connection, service.clone(), shutdown.clone()));
                }
                Err(full) => {
                    tasks.spawn(refuse(stream, refusal(full)));
                }
            }
        }
        // Whoever comes from now on is refused by the system.
        drop(tcp);
        tasks.close();
        tasks.wait().await;
        Ok(())
    }
}

impl From<TcpListener> for Listener {
    /// With the default bounds.
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
    /// Why not, for operators.
    pub fn check(&self) -> Result<(), String> {
        let beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = &beat.failure {
            return Err(format!("connections cannot be accepted: {failure}"));
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
        self.with(|beat| beat.at = Instant::now());
    }

    fn accepted(&self) {
        self.with(|beat| {
            beat.at = Instant::now();
            if beat.failure.take().is_some() {
                tracing::info!("connections are accepted again");
            }
        });
    }

    fn failed(&self, error: &io::Error) {
        self.with(|beat| {
            if beat.failure.replace(error.to_string()).is_none() {
                tracing::warn!(%error, "connections cannot be accepted");
            }
        });
    }
}

/// The connection was gone before it was accepted: nothing is wrong here.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn serve_connection<S, B>(
    stream: Stream,
    peer: SocketAddr,
    connection: Arc<Connection>,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let watched = Arc::clone(&connection);
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (service, connection) = (service.clone(), Arc::clone(&watched));
        let mut request = request.map(|incoming| Body::new(incoming, Arc::clone(&connection)));
        request.extensions_mut().insert(Peer(peer));
        async move {
            let response = service.oneshot(request).await;
            match &response {
                Ok(response) if response.status() == http::StatusCode::SWITCHING_PROTOCOLS => connection.upgraded(),
                _ => connection.answered(),
            }
            response
        }
    });
    let mut http = http1::Builder::new();
    // The deadlines are ours: hyper's has none for a body or an idle connection.
    http.header_read_timeout(None).max_buf_size(MAX_BUFFER);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = connection.evicted.cancelled() => return,
        () = connection.expired() => return,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = connection.evicted.cancelled() => return,
                () = connection.expired() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Says why, as far as the client can still hear it, without reading anything.
async fn refuse(mut stream: TcpStream, body: String) {
    let response = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // A client that cannot be told is gone, or as good as.
    let _ = timeout(REFUSAL_TIMEOUT, async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}

fn plain(full: Full) -> String {
    format!("{{\"error\":\"{full}\"}}")
}
