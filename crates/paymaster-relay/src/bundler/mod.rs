//! Bundlers: the methods of ERC-7769 are passed on to one of those listed for a chain, as they
//! came, and so are its answers and errors.

mod call;
mod estimate;
mod sends;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_json_rpc::ErrorPayload;
use alloy_primitives::{Address as EthAddress, U64};
use alloy_provider::transport::{RpcError, TransportError, TransportErrorKind, TransportResult};
use alloy_provider::{Provider, RootProvider};
use bounded_http::JsonRpc;
use futures_util::future::join_all;
use proto::{Address, UserOpHash};
use reqwest::StatusCode;
use serde_json::Map;
use serde_json::value::{RawValue, Value};
use thiserror::Error;
use tokio::sync::Semaphore;

pub use crate::bundler_refusal::BundlerRefusal;
pub(crate) use call::BundlerCall;
pub(crate) use estimate::Estimate;

use self::sends::{Sends, Sent};

use crate::catalogue::ChainCatalogue;
use crate::detached::detached;
use crate::endpoint::{Endpoint, EndpointError, Place, is_refused_in_http};
use crate::metrics::{Asked, Metrics};
use crate::settings::{ChainSettings, Settings, SettingsError};

/// Bytes. Receipts contain the logs of their transaction.
const MAX_ANSWER: usize = 1 << 20;
/// The part of a call's time in which a bundler accepts the connection: an operation may go to
/// another one if it did not.
const CONNECT: u32 = 3;
/// Operations at once that are followed up even if their callers hang up. Beyond that a call ends
/// with its caller, so that those of callers who are gone use bounded memory.
const MOST_DETACHED: usize = 256;
/// About our key, and not about the call, whatever the body says: another bundler may answer it.
const KEY_REFUSED: &[StatusCode] = &[StatusCode::UNAUTHORIZED, StatusCode::PAYMENT_REQUIRED, StatusCode::FORBIDDEN];

/// The bundlers of a chain, in order of preference.
#[derive(Clone, Debug)]
pub struct Bundlers {
    chain_id: u64,
    /// Those of our deployments.
    entry_points: Vec<Address>,
    listed: Vec<Arc<Bundler>>,
    /// For operations whose callers may hang up: these calls count in no bound of the port.
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// One of them.
#[derive(Debug)]
struct Bundler {
    endpoint: Endpoint,
    /// Its position in the settings, from 1.
    number: usize,
    sends: Sends,
}

/// What one bundler answered, if it did.
type Answer = Result<Result<Box<RawValue>, BundlerRefusal>, Unanswered>;

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
    /// Whether it is of another chain, no bundler, or refuses our key; and not merely silent.
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
        catalogue: &ChainCatalogue,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, SettingsError> {
        let Some(listed) = settings.bundlers_of(chain) else { return Ok(None) };
        let (urls, patience) = (listed.urls()?, Duration::from_secs(listed.settings.timeout_seconds));
        let is_only = urls.len() == 1;
        let bundler = |(url, number)| {
            let server = JsonRpc::connecting_within(url, patience / CONNECT).answering_at_most(MAX_ANSWER);
            let server = server.refusing_with(KEY_REFUSED);
            let place = Place::bundler(chain, listed.keys, (!is_only).then_some(number));
            let endpoint = Endpoint::new(server, place, patience, probe);
            Arc::new(Bundler { endpoint, number, sends: Sends::default() })
        };
        let listed = urls.into_iter().zip(1..).map(bundler).collect();
        let (chain_id, entry_points) = (chain.chain_id, catalogue.entry_points());
        let room = Arc::new(Semaphore::new(MOST_DETACHED));
        Ok(Some(Self { chain_id, entry_points, listed, room, metrics: Arc::clone(metrics) }))
    }

    /// Passes a call on to the first bundler that answers. Operations go last to those that left
    /// several unanswered; of these, to the one that was asked longest ago first.
    pub(crate) async fn pass_on(&self, call: BundlerCall) -> Result<Box<RawValue>, BundlerError> {
        let (call, mut why) = (Arc::new(call), Vec::new());
        let mut listed = self.listed.clone();
        if call.is_operation {
            let now = Instant::now();
            listed.sort_by_cached_key(|bundler| bundler.sends.standing(now));
        }
        for bundler in listed {
            match self.attempt(bundler, &call).await {
                Ok(answer) => return answer.map_err(BundlerError::Refused),
                Err(Unanswered { detail, may_be_received: true }) if call.is_operation => {
                    return Err(BundlerError::Unavailable { detail, in_doubt: true });
                }
                Err(Unanswered { detail, .. }) => why.push(detail),
            }
        }
        Err(BundlerError::Unavailable { detail: why.join("; "), in_doubt: false })
    }

    /// Has the first bundler that can simulate an operation of our own making. One that refuses the
    /// call rather than the operation, or whose answer is no estimate, cannot.
    pub(crate) async fn simulate(&self, op: Map<String, Value>, entry_point: Address) -> Result<(), BundlerError> {
        let (call, mut why) = (Arc::new(BundlerCall::estimate_of(op, entry_point)), Vec::new());
        for bundler in self.listed.iter().cloned() {
            let place = bundler.endpoint.place().clone();
            match self.attempt(bundler, &call).await {
                Ok(Ok(answer)) => match Estimate::parse(&answer) {
                    Ok(_) => return Ok(()),
                    Err(problem) => why.push(format!("{}: {problem}", place.endpoint())),
                },
                Ok(Err(refusal)) if refusal.is_about_the_operation() => return Err(BundlerError::Refused(refusal)),
                Ok(Err(refusal)) => why.push(place.refused(refusal.code.into(), &refusal.message)),
                Err(Unanswered { detail, .. }) => why.push(detail),
            }
        }
        Err(BundlerError::Unavailable { detail: why.join("; "), in_doubt: false })
    }

    /// Asks one bundler. A caller that hangs up does not hide that it left an operation unanswered.
    async fn attempt(&self, bundler: Arc<Bundler>, call: &Arc<BundlerCall>) -> Answer {
        let (chain_id, metrics) = (self.chain_id, Arc::clone(&self.metrics));
        let (asked, begun) = (Arc::clone(call), Instant::now());
        let sent = call.is_operation.then(|| {
            let others = self.listed.iter().filter(|other| other.number != bundler.number);
            others.for_each(|other| other.sends.rest());
            bundler.sends.begin(begun)
        });
        let asking = async move {
            let attempt = ask(&bundler.endpoint, &asked).await;
            if let Some(sent) = sent {
                bundler.note(sent, &attempt);
            }
            let outcome = match &attempt {
                Ok(Ok(_)) => Asked::Answered,
                Ok(Err(_)) => Asked::Refused,
                Err(_) => Asked::Unanswered,
            };
            metrics.bundler(chain_id, bundler.number, outcome, begun.elapsed());
            attempt
        };
        // A trial always ends, even if its caller hangs up. Each bundler has one at most.
        let room = match sent {
            Some(sent) if sent.is_trial() => None,
            Some(_) if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() => Some(room),
            _ => return asking.await,
        };
        let asking = async move {
            let _room = room;
            asking.await
        };
        let stopped = || Err(Unanswered { detail: "the relay is stopping".to_owned(), may_be_received: true });
        detached(asking).await.unwrap_or_else(stopped)
    }

    /// Asks each bundler for its chain and its EntryPoints now.
    pub async fn look(&self) -> Vec<Option<BundlerProblem>> {
        join_all(self.listed.iter().map(|bundler| self.look_at(bundler))).await
    }

    /// What keeps calls from being answered: one that is misconfigured, or that none answers.
    pub async fn problem(&self) -> Option<String> {
        let found = self.look().await;
        let none_answers = found.iter().all(Option::is_some);
        let counts = |problem: &&BundlerProblem| none_answers || problem.is_misconfigured;
        let problems: Vec<_> = found.iter().flatten().filter(counts).map(ToString::to_string).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    async fn look_at(&self, Bundler { endpoint, sends, .. }: &Bundler) -> Option<BundlerProblem> {
        let place = endpoint.place();
        let misconfigured = |text| Some(BundlerProblem { is_misconfigured: true, text });
        let served = match asked(endpoint, chain_id(endpoint.provider())).await {
            Ok(served) => served,
            Err(problem) => return Some(problem),
        };
        if served != self.chain_id {
            let text = format!("{} serves chain {served}, and not {}", place.endpoint(), self.chain_id);
            return misconfigured(text);
        }
        let BundlerCall { method, params, .. } = BundlerCall::entry_points();
        let query = endpoint.provider().raw_request::<_, Vec<EthAddress>>(method.into(), params);
        match asked(endpoint, query).await {
            Ok(supported) if supported.iter().any(|supported| self.entry_points.contains(&(*supported).into())) => {
                let unanswered = sends.unanswered()?;
                let text =
                    format!("{} left {unanswered} operations unanswered since it accepted one", place.endpoint());
                Some(BundlerProblem { is_misconfigured: false, text })
            }
            Ok(_) => {
                misconfigured(format!("{} supports none of the EntryPoints of relay.deployments", place.endpoint()))
            }
            Err(problem) => Some(problem),
        }
    }
}

impl Bundler {
    /// Notes what became of an operation.
    fn note(&self, sent: Sent, answer: &Answer) {
        let (place, now) = (self.endpoint.place(), Instant::now());
        match answer {
            Ok(Ok(result)) if is_hash(result) => {
                if self.sends.note_accepted(now) {
                    tracing::warn!("{} accepts operations again", place.endpoint());
                }
            }
            Err(Unanswered { may_be_received: true, detail }) => self.note_unanswered(sent, now, detail),
            Ok(Ok(_)) => self.note_unanswered(sent, now, "the answer is no hash of an operation"),
            Ok(Err(_)) | Err(Unanswered { may_be_received: false, .. }) => self.sends.note_refused(sent),
        }
    }

    fn note_unanswered(&self, sent: Sent, now: Instant, why: &str) {
        if self.sends.note_unanswered(sent, now) {
            let endpoint = self.endpoint.place().endpoint();
            tracing::warn!("{endpoint} leaves operations unanswered, and others are asked first: {why}");
        }
    }
}

/// What a bundler answers to an operation that it accepts (ERC-7769).
fn is_hash(result: &RawValue) -> bool {
    serde_json::from_str::<UserOpHash>(result.get()).is_ok()
}

/// An answer that a bundler in order gives.
async fn asked<T>(
    endpoint: &Endpoint,
    query: impl IntoFuture<Output = TransportResult<T>>,
) -> Result<T, BundlerProblem> {
    let place = endpoint.place();
    let (is_misconfigured, text) = match endpoint.within(query).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => (is_refusal(&error), described(endpoint, &error)),
        Err(EndpointError::AnswerTooLarge { limit }) => (false, too_large(place, limit)),
        Err(EndpointError::Unanswered { detail, .. }) => (false, detail),
    };
    Err(BundlerProblem { is_misconfigured, text })
}

/// Whether the bundler does not know the method, or refuses our key: no bundler, or not ours.
fn is_refusal(error: &TransportError) -> bool {
    match error {
        RpcError::ErrorResp(_) => true,
        RpcError::Transport(kind) => is_refused_in_http(kind),
        _ => false,
    }
}

/// No answer from one bundler.
struct Unanswered {
    detail: String,
    may_be_received: bool,
}

async fn ask(endpoint: &Endpoint, call: &BundlerCall) -> Answer {
    let place = endpoint.place();
    let received = |detail| Unanswered { detail, may_be_received: true };
    let query = endpoint.provider().raw_request(call.method.into(), &call.params);
    match endpoint.on_behalf(query).await {
        Ok(Ok(result)) => Ok(Ok(result)),
        Ok(Err(RpcError::ErrorResp(error))) if let Ok(code) = error.code.try_into() => {
            Ok(Err(refusal(endpoint, code, error)))
        }
        Ok(Err(error)) => {
            let is_refused = matches!(&error, RpcError::Transport(kind) if is_refused_in_http(kind));
            Err(Unanswered { detail: described(endpoint, &error), may_be_received: !is_refused })
        }
        Err(EndpointError::AnswerTooLarge { limit }) => Err(received(too_large(place, limit))),
        Err(EndpointError::Unanswered { detail, may_be_received }) => Err(Unanswered { detail, may_be_received }),
    }
}

fn refusal(endpoint: &Endpoint, code: i32, ErrorPayload { message, data, .. }: ErrorPayload) -> BundlerRefusal {
    let message = endpoint.redacted(&message).into_owned();
    let data = data.map(|data| match endpoint.redacted(data.get()) {
        Cow::Borrowed(_) => Ok(data),
        Cow::Owned(redacted) => RawValue::from_string(redacted),
    });
    BundlerRefusal { code, message, data: data.and_then(Result::ok) }
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
fn described(endpoint: &Endpoint, error: &TransportError) -> String {
    let place = endpoint.place();
    match error {
        RpcError::ErrorResp(error) => place.refused(error.code, &endpoint.redacted(&error.message)),
        RpcError::Transport(TransportErrorKind::HttpError(http)) => place.http_status(http.status),
        _ => place.not_json_rpc(),
    }
}

fn too_large(place: &Place, limit: usize) -> String {
    format!("the answer of {} is over the limit of {limit} bytes", place.endpoint())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::settings::BundlerKeys;

    /// A bundler that accepts connections but never answers, passed over for long enough.
    fn due(url: &str) -> Bundler {
        let chain: ChainSettings =
            serde_json::from_value(json!({ "chain_id": 1, "rpc_url": "http://127.0.0.1:1" })).unwrap();
        let keys = BundlerKeys { urls: "bundler.urls", timeout_seconds: "bundler.timeout_seconds" };
        let patience = Duration::from_millis(300);
        let server = JsonRpc::connecting_within(url.parse().unwrap(), patience).answering_at_most(MAX_ANSWER);
        let endpoint = Endpoint::new(server, Place::bundler(&chain, &keys, None), patience, probe);
        let (sends, an_hour_ago) = (Sends::default(), Instant::now() - Duration::from_secs(3600));
        for _ in 0..3 {
            sends.note_unanswered(sends.begin(an_hour_ago), an_hour_ago);
        }
        sends.rest();
        Bundler { endpoint, number: 1, sends }
    }

    #[tokio::test]
    async fn a_trial_whose_caller_hangs_up_ends_however_many_others_are_followed_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bundler = Arc::new(due(&format!("http://{}", silent.local_addr().unwrap())));
        let bundlers = Bundlers {
            chain_id: 1,
            entry_points: Vec::new(),
            listed: vec![Arc::clone(&bundler)],
            room: Arc::new(Semaphore::new(0)),
            metrics: Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap()),
        };
        assert_eq!(bundler.sends.unanswered(), Some(3));
        let operation = BundlerCall { is_operation: true, ..BundlerCall::gas_price() };
        timeout(Duration::from_millis(20), bundlers.pass_on(operation)).await.unwrap_err();
        devkit::eventually(async || (bundler.sends.unanswered() == Some(4)).then_some(())).await;
    }
}
