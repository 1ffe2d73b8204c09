//! Tells a client that it is refused for lack of room. The service provides the answer, which may
//! depend on the request's header: a page can only read an answer that allows its origin.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body_util::Full as Whole;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::bounds::Full;
use crate::caching::forbid_caching;

/// Deadline for each step of a refusal: reading the header, writing the answer, draining the rest.
const STEP: Duration = Duration::from_millis(500);
/// Maximum number of refused connections whose header is read at once. Others are answered unread,
/// so that they cost nothing.
const READ_AT_ONCE: usize = 64;
/// Maximum size of a header that is read, in bytes.
const MAX_HEADER: usize = 16 * 1024;

type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// How a port refuses connections.
#[derive(Clone)]
pub(crate) struct Refusals {
    words: Arc<dyn Fn(Request<Full>) -> Answer + Send + Sync>,
    reading: Arc<Semaphore>,
}

impl Refusals {
    pub(crate) fn new<F>(words: impl Fn(Request<Full>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        Self {
            words: Arc::new(move |request| Box::pin(words(request))),
            reading: Arc::new(Semaphore::new(READ_AT_ONCE)),
        }
    }

    /// The answer to a refused request.
    pub(crate) async fn answer(&self, request: Request<Full>) -> Response<Bytes> {
        let mut response = (self.words)(request).await;
        forbid_caching(&mut response);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
        }
        response
    }

    /// Refuses a whole connection, if the client can still be reached.
    pub(crate) async fn connection(self, stream: TcpStream, full: Full) {
        // If the client cannot be told, it is gone anyway.
        let _ = match Arc::clone(&self.reading).try_acquire_owned() {
            Ok(_place) => self.read_and_answer(stream, full).await,
            Err(_) => self.answer_unread(stream, full).await.map(drop),
        };
    }

    async fn read_and_answer(&self, stream: TcpStream, full: Full) -> io::Result<()> {
        let is_read = Arc::<AtomicBool>::default();
        let service = {
            let is_read = Arc::clone(&is_read);
            service_fn(move |request: Request<Incoming>| {
                is_read.store(true, Ordering::Relaxed);
                let refusals = self.clone();
                let answer = async move {
                    let mut response = refusals.answer(request.map(|_| full)).await;
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    Ok::<_, io::Error>(response.map(Whole::new))
                };
                Box::pin(answer)
            })
        };
        let mut http = http1::Builder::new();
        http.keep_alive(false).header_read_timeout(None).max_buf_size(MAX_HEADER);
        let mut serving = http.serve_connection(TokioIo::new(stream), service);
        let ended = timeout(STEP, poll_fn(|context| serving.poll_without_shutdown(context))).await;
        let mut stream = serving.into_parts().io.into_inner();
        match ended {
            Ok(_) => {}
            Err(_) if is_read.load(Ordering::Relaxed) => return Ok(()),
            Err(_) => stream = self.answer_unread(stream, full).await?,
        }
        // Closing with unread bytes would make the system discard the answer.
        let mut rest = [0; 4096];
        timeout(STEP, async {
            stream.shutdown().await?;
            while stream.read(&mut rest).await? > 0 {}
            Ok(())
        })
        .await?
    }

    async fn answer_unread(&self, mut stream: TcpStream, full: Full) -> io::Result<TcpStream> {
        let response = self.answer(Request::new(full)).await;
        let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
        let (mut parts, body) = response.into_parts();
        // Replaces the service's own header: a duplicate would make the answer unreadable.
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        for (name, value) in &parts.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        timeout(STEP, async {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            Ok(stream)
        })
        .await?
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self::new(|request: Request<Full>| {
            let mut response = Response::new(Bytes::from(format!("{{\"error\":\"{}\"}}", request.body())));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            std::future::ready(response)
        })
    }
}
