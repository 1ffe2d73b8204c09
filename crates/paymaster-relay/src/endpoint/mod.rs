//! A server of JSON-RPC that the relay asks: a chain's node, a bundler. Every request ends within a
//! time, answered or not; after one was not answered, others fail immediately until the server
//! answers.

mod place;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use alloy_provider::RootProvider;
use alloy_provider::transport::{RpcError, TransportErrorKind, TransportResult};
use alloy_rpc_client::RpcClient;
use bounded_http::{JsonRpc, exceeded, not_reached};
use breaker::Breaker;
use reqwest::StatusCode;
use thiserror::Error;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

pub(crate) use place::{Place, is_nonsense};

/// A request that fails within this fraction of the time was not too much for the server.
const QUICK: u32 = 4;

/// A server of JSON-RPC.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    provider: RootProvider,
    patience: Duration,
    place: Place,
    breaker: Arc<Breaker>,
    /// Parts of the URL that may be keys.
    keys: Arc<[String]>,
}

/// Why a request has no answer. For the log and for operators; never contains the URL.
#[derive(Debug, Error)]
pub(crate) enum EndpointError {
    /// The server does not answer at all. Logged when that begins and when it ends.
    #[error("{detail}")]
    Unanswered {
        /// The error.
        detail: String,
        /// Whether the server may act on the request.
        may_be_received: bool,
    },
    /// The answer exceeds the size limit.
    #[error("the answer is over the limit of {limit} bytes")]
    AnswerTooLarge {
        /// Bytes.
        limit: usize,
    },
}

impl Endpoint {
    /// Creates the client; it makes no request yet. The probe is a cheap request that every healthy
    /// server answers.
    pub(crate) fn new<F>(
        server: JsonRpc,
        place: Place,
        patience: Duration,
        probe: impl Fn(RootProvider) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = TransportResult<()>> + Send + 'static,
    {
        let (connections, keys) = (server.connections(), server.keys());
        let provider = RootProvider::new(RpcClient::new(server, false));
        let (probed, asked) = (provider.clone(), place.clone());
        let breaker = Breaker::new(place.log(), move || {
            connections.renew();
            let (asking, place) = (probe(probed.clone()), asked.clone());
            async move { place.why_unanswered(&timeout(patience, asking).await).is_none() }
        });
        Self { provider, patience, place, breaker, keys }
    }

    /// The client for requests, each of which goes through one of the methods below.
    pub(crate) const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// The time that a request may take.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Its names in messages.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// A text of the server without the keys in its URL: some repeat the URL in their errors.
    pub(crate) fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let redact = |text: Cow<'a, str>, key: &String| match text.contains(key.as_str()) {
            true => text.replace(key.as_str(), "[redacted]").into(),
            false => text,
        };
        self.keys.iter().fold(text.into(), redact)
    }

    /// Sends one request, or a batch. The inner error is the server's answer, or at least concerns
    /// it.
    pub(crate) async fn within<T>(
        &self,
        query: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<TransportResult<T>, EndpointError> {
        let begun = self.begin()?;
        let outcome = timeout(self.patience, query.into_future()).await;
        self.note(outcome, |why| self.breaker.failed(begun, why))
    }

    /// The same for requests that may be too expensive even for a healthy server: no answer within
    /// a quarter of the time, or a server error after it, then gives that error instead of an
    /// outage. A refusal in HTTP, such as status 429, or something that is not JSON-RPC, is an
    /// answer to that request. A batch without expensive requests detects outages.
    pub(crate) async fn within_or<T, E: From<EndpointError>>(
        &self,
        query: impl IntoFuture<Output = TransportResult<T>>,
        too_slow: impl FnOnce() -> E,
    ) -> Result<TransportResult<T>, E> {
        let begun = self.begin()?;
        let outcome = timeout(self.patience, query.into_future()).await;
        let is_late = begun.elapsed() >= self.patience / QUICK;
        match outcome {
            // However late it is: a proxy may have repeated the request first.
            Ok(Err(RpcError::Transport(kind))) if is_refused_in_http(&kind) => Ok(Err(RpcError::Transport(kind))),
            outcome if is_late && self.place.why_unanswered(&outcome).is_some() => Err(too_slow()),
            Ok(Err(error)) if is_refusal_in_http(&error) => Ok(Err(error)),
            outcome => Ok(self.note(outcome, |why| self.breaker.failed(begun, why))?),
        }
    }

    /// The same for requests that are passed on for anyone, who could choose expensive ones: only a
    /// probe that isn't answered either makes it an outage.
    pub(crate) async fn on_behalf<T>(
        &self,
        query: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<TransportResult<T>, EndpointError> {
        let begun = self.begin()?;
        let outcome = timeout(self.patience, query.into_future()).await;
        self.note(outcome, |why| self.breaker.doubted(begun, why))
    }

    fn begin(&self) -> Result<Instant, EndpointError> {
        let outage =
            |outage: breaker::Outage| EndpointError::Unanswered { detail: outage.to_string(), may_be_received: false };
        self.breaker.check().map_err(outage)
    }

    fn note<T>(
        &self,
        outcome: Result<TransportResult<T>, Elapsed>,
        failed: impl FnOnce(&str),
    ) -> Result<TransportResult<T>, EndpointError> {
        if let Some(detail) = self.place.why_unanswered(&outcome) {
            failed(&detail);
            let is_refused = |kind| not_reached(kind) || is_refused_in_http(kind);
            let is_refused = matches!(&outcome, Ok(Err(RpcError::Transport(kind))) if is_refused(kind));
            return Err(EndpointError::Unanswered { detail, may_be_received: !is_refused });
        }
        self.breaker.answered();
        match outcome {
            Ok(Err(RpcError::Transport(kind))) if let Some(limit) = exceeded(&kind) => {
                Err(EndpointError::AnswerTooLarge { limit })
            }
            Ok(answer) => Ok(answer),
            Err(_) => Err(EndpointError::Unanswered { detail: self.place.no_answer(), may_be_received: true }),
        }
    }
}

/// Whether the request was refused with a status that says that nothing was done: without a valid
/// key, over the rate.
pub(crate) fn is_refused_in_http(kind: &TransportErrorKind) -> bool {
    let status = kind.as_http_error().and_then(|http| StatusCode::from_u16(http.status).ok());
    status.is_some_and(|status| status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT)
}

/// Whether something answered, but not with JSON-RPC.
fn is_refusal_in_http(error: &RpcError<TransportErrorKind>) -> bool {
    matches!(error, RpcError::Transport(kind) if kind.as_http_error().is_some() || is_nonsense(kind))
}
