//! JSON-RPC over HTTP. Answers are bounded, and invalid answers have their own error.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_provider::transport::{TransportError, TransportErrorKind, TransportFut, TransportResult};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, StatusCode};
use thiserror::Error;
use tower::Service;
use url::Url;

use crate::body::{self, BodyError};
use crate::cause::cause;
use crate::client::client_for;
use crate::connections::Connections;

/// Bytes. Far above any answer except one to a query for logs, which can be split.
const MAX_ANSWER: usize = 16 << 20;

/// The answer is not JSON-RPC.
#[derive(Debug, Error)]
#[error("the answer is not JSON-RPC")]
pub struct NotJsonRpc;

/// A node or another server of JSON-RPC. Its URL may contain a key, so it is never printed.
#[derive(Clone)]
pub struct JsonRpc {
    connections: Connections,
    url: Url,
    max_answer: usize,
    /// Statuses with which nothing is an answer.
    refusals: &'static [StatusCode],
    keys: Arc<[String]>,
}

impl fmt::Debug for JsonRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRpc").finish_non_exhaustive()
    }
}

impl JsonRpc {
    /// Creates the client; it makes no request yet.
    ///
    /// # Panics
    /// If no client can be made: the system's certificates cannot be read.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self::built(url, client_for)
    }

    /// The same for a server that accepts connections within that time, or counts as [not
    /// reached](not_reached).
    ///
    /// # Panics
    /// As [`JsonRpc::new`].
    #[must_use]
    pub fn connecting_within(url: Url, time: Duration) -> Self {
        Self::built(url, move |url| client_for(url).connect_timeout(time))
    }

    #[expect(clippy::expect_used, reason = "fails only without readable certificates")]
    fn built(url: Url, builder: impl Fn(&Url) -> ClientBuilder + Send + Sync + 'static) -> Self {
        // A server has no reason to redirect, and its URL may contain a key.
        let (server, keys) = (url.clone(), keys_in(&url));
        let connections = Connections::new(move || builder(&server).redirect(Policy::none()).build());
        let connections = connections.expect("a client");
        Self { connections, url, max_answer: MAX_ANSWER, refusals: &[], keys }
    }

    /// Limits answers to that many bytes.
    #[must_use]
    pub fn answering_at_most(self, bytes: usize) -> Self {
        Self { max_answer: bytes, ..self }
    }

    /// An answer with one of these statuses is an HTTP error, even if its body is JSON-RPC.
    #[must_use]
    pub fn refusing_with(self, refusals: &'static [StatusCode]) -> Self {
        Self { refusals, ..self }
    }

    /// The parts of the URL that may be keys, which no message may contain.
    #[must_use]
    pub fn keys(&self) -> Arc<[String]> {
        Arc::clone(&self.keys)
    }

    /// The client's connections, shared by all clones.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    async fn ask(self, packet: RequestPacket) -> TransportResult<ResponsePacket> {
        let response =
            self.connections.client().post(self.url).json(&packet).send().await.map_err(TransportErrorKind::custom)?;
        let status = response.status();
        if is_failure(status) || self.refusals.contains(&status) {
            return Err(http_error(status));
        }
        let body = body::read(response, self.max_answer).await.map_err(TransportErrorKind::custom)?;
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(answer),
            Err(_) if !status.is_success() => Err(http_error(status)),
            Err(_) => Err(TransportErrorKind::custom(NotJsonRpc)),
        }
    }
}

/// Minimum length of a part of a URL that is taken for a key.
const KEY_LENGTH: usize = 16;

/// The parts of a URL that may be keys: those of its path and its query, and its password.
fn keys_in(url: &Url) -> Arc<[String]> {
    let path = url.path_segments().into_iter().flatten();
    let query = url.query().into_iter().flat_map(|query| query.split(['&', '=']));
    let parts = path.chain(query).chain(url.password());
    parts.filter(|part| part.len() >= KEY_LENGTH).map(ToOwned::to_owned).collect()
}

/// Whether a status means that the node, or a proxy in front of it, failed to answer, whatever the
/// body says.
#[must_use]
pub fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status.is_redirection() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The limit that the answer exceeded, if that is the error.
#[must_use]
pub fn exceeded(kind: &TransportErrorKind) -> Option<usize> {
    match kind.as_custom()?.downcast_ref()? {
        BodyError::TooLarge { limit } => Some(*limit),
        BodyError::Broken(_) => None,
    }
}

/// Whether no connection was made, so that nothing of the request was sent.
#[must_use]
pub fn not_reached(kind: &TransportErrorKind) -> bool {
    kind.as_custom().and_then(|error| error.downcast_ref()).is_some_and(reqwest::Error::is_connect)
}

/// Why a request got no answer, if it failed to be sent; without the node's URL.
#[must_use]
pub fn unsent(kind: &TransportErrorKind) -> Option<String> {
    let error = kind.as_custom()?;
    let body = error.downcast_ref().and_then(|error| match error {
        BodyError::Broken(error) => Some(error),
        BodyError::TooLarge { .. } => None,
    });
    error.downcast_ref().or(body).map(cause)
}

/// Omits the body, which may contain anything.
fn http_error(status: StatusCode) -> TransportError {
    TransportErrorKind::http_error(status.as_u16(), String::new())
}

impl Service<RequestPacket> for JsonRpc {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> TransportFut<'static> {
        Box::pin(self.clone().ask(packet))
    }
}
