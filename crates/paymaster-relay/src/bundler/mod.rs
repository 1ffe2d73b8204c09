//! Bundlers: the methods of ERC-7769 are passed on to one of those listed for a chain, as they
//! came, and so are its answers and errors.

mod call;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::U64;
use alloy_provider::transport::{RpcError, TransportErrorKind};
use alloy_provider::{Provider, RootProvider};
use bounded_http::JsonRpc;
use futures_util::future::join_all;
use serde_json::value::{RawValue, Value};
use thiserror::Error;

pub(crate) use call::BundlerCall;

use crate::endpoint::{Endpoint, EndpointError, Place};
use crate::metrics::{Asked, Metrics};
use crate::settings::{ChainSettings, Settings, SettingsError};

/// Bytes. Receipts contain the logs of their transaction.
const MAX_ANSWER: usize = 1 << 20;
/// The part of a call's time in which a bundler accepts the connection: an operation may go to
/// another one if it did not.
const CONNECT: u32 = 3;

/// The bundlers of a chain, in order of preference.
#[derive(Clone, Debug)]
pub struct Bundlers {
    chain_id: u64,
    endpoints: Vec<Endpoint>,
    metrics: Arc<Metrics>,
}

/// A bundler's error, as it answered it.
#[derive(Clone, Debug, Error)]
#[error("the bundler answered {code}: {message}")]
pub(crate) struct BundlerRefusal {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<Box<RawValue>>,
}

/// Why a call has no result.
#[derive(Debug, Error)]
pub(crate) enum BundlerError {
    /// The bundler's own error.
    #[error(transparent)]
    Refused(BundlerRefusal),
    /// No bundler answered.
    #[error("{detail}")]
    Unavailable {
        /// The error of each, without its URL.
        detail: String,
        /// Whether one may have taken the operation.
        in_doubt: bool,
    },
}

/// What is wrong with one of the bundlers, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlerProblem {
    /// Whether it is of another chain, and not merely silent.
    pub is_misconfigured: bool,
    text: String,
}

impl fmt::Display for BundlerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Bundlers {
    /// Creates the clients; they make no request yet. `None` if the settings list no bundlers for
    /// the chain.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] if a URL is invalid.
    pub fn of_chain(
        settings: &Settings,
        chain: &ChainSettings,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, SettingsError> {
        let Some(listed) = settings.bundlers_of(chain) else { return Ok(None) };
        let (urls, patience) = (listed.urls()?, Duration::from_secs(listed.settings.timeout_seconds));
        let is_only = urls.len() == 1;
        let endpoint = |(url, number)| {
            let server = JsonRpc::connecting_within(url, patience / CONNECT).answering_at_most(MAX_ANSWER);
            let place = Place::bundler(chain, listed.keys, (!is_only).then_some(number));
            Endpoint::new(server, place, patience, probe)
        };
        let endpoints = urls.into_iter().zip(1..).map(endpoint).collect();
        Ok(Some(Self { chain_id: chain.chain_id, endpoints, metrics: Arc::clone(metrics) }))
    }

    /// Passes a call on to the first bundler that answers.
    pub(crate) async fn pass_on(&self, call: &BundlerCall) -> Result<Box<RawValue>, BundlerError> {
        let mut why = Vec::new();
        for (endpoint, number) in self.endpoints.iter().zip(1..) {
            let begun = Instant::now();
            let attempt = ask(endpoint, call).await;
            let outcome = match &attempt {
                Ok(Ok(_)) => Asked::Answered,
                Ok(Err(_)) => Asked::Refused,
                Err(_) => Asked::Unanswered,
            };
            self.metrics.bundler(self.chain_id, number, outcome, begun.elapsed());
            match attempt {
                Ok(answer) => return answer.map_err(BundlerError::Refused),
                Err(Unanswered { detail, may_be_received: true }) if call.is_operation => {
                    return Err(BundlerError::Unavailable { detail, in_doubt: true });
                }
                Err(Unanswered { detail, .. }) => why.push(detail),
            }
        }
        Err(BundlerError::Unavailable { detail: why.join("; "), in_doubt: false })
    }

    /// Asks each bundler for its chain now.
    pub async fn look(&self) -> Vec<Option<BundlerProblem>> {
        join_all(self.endpoints.iter().map(|endpoint| self.look_at(endpoint))).await
    }

    /// What keeps calls from being answered: a bundler of another chain, or that none answers.
    pub async fn problem(&self) -> Option<String> {
        let found = self.look().await;
        let none_answers = found.iter().all(Option::is_some);
        let counts = |problem: &&BundlerProblem| none_answers || problem.is_misconfigured;
        let problems: Vec<_> = found.iter().flatten().filter(counts).map(ToString::to_string).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    async fn look_at(&self, endpoint: &Endpoint) -> Option<BundlerProblem> {
        let place = endpoint.place();
        let (is_misconfigured, text) = match endpoint.within(chain_id(endpoint.provider())).await {
            Ok(Ok(served)) if served == self.chain_id => return None,
            Ok(Ok(served)) => (true, format!("{} serves chain {served}, and not {}", place.endpoint(), self.chain_id)),
            Ok(Err(error)) => (false, described(place, &error)),
            Err(EndpointError::AnswerTooLarge { limit }) => (false, too_large(place, limit)),
            Err(EndpointError::Unanswered { detail, .. }) => (false, detail),
        };
        Some(BundlerProblem { is_misconfigured, text })
    }
}

/// No answer from one bundler.
struct Unanswered {
    detail: String,
    may_be_received: bool,
}

async fn ask(endpoint: &Endpoint, call: &BundlerCall) -> Result<Result<Box<RawValue>, BundlerRefusal>, Unanswered> {
    let place = endpoint.place();
    let received = |detail| Unanswered { detail, may_be_received: true };
    let query = endpoint.provider().raw_request(call.method.into(), &call.params);
    match endpoint.on_behalf(query).await {
        Ok(Ok(result)) => Ok(Ok(result)),
        Ok(Err(RpcError::ErrorResp(error))) if let Ok(code) = error.code.try_into() => {
            Ok(Err(BundlerRefusal { code, message: error.message.into_owned(), data: error.data }))
        }
        Ok(Err(error)) => Err(received(described(place, &error))),
        Err(EndpointError::AnswerTooLarge { limit }) => Err(received(too_large(place, limit))),
        Err(EndpointError::Unanswered { detail, may_be_received }) => Err(Unanswered { detail, may_be_received }),
    }
}

async fn chain_id(provider: &RootProvider) -> Result<u64, RpcError<TransportErrorKind>> {
    // Some bundlers refuse a request without `params`.
    provider.raw_request::<_, U64>("eth_chainId".into(), Vec::<Value>::new()).await.map(|id| id.to())
}

/// Any bundler has this method (ERC-7769), and it costs nothing.
async fn probe(provider: RootProvider) -> Result<(), RpcError<TransportErrorKind>> {
    chain_id(&provider).await.map(drop)
}

/// An answer that is no use, without anything that may contain the URL.
fn described(place: &Place, error: &RpcError<TransportErrorKind>) -> String {
    match error {
        RpcError::ErrorResp(error) => place.refused(error.code, &error.message),
        RpcError::Transport(TransportErrorKind::HttpError(http)) => place.http_status(http.status),
        _ => place.not_json_rpc(),
    }
}

fn too_large(place: &Place, limit: usize) -> String {
    format!("the answer of {} is over the limit of {limit} bytes", place.endpoint())
}
