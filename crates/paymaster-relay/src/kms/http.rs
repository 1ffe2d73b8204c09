//! The KMS over the gateway's HTTP API: several gateways, the one that answered last is tried
//! first.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bounded_http::{BodyError, Connections, client_for};
use breaker::Breaker;
use futures_util::future::join_all;
use kms_api::accounts::GetAccount;
use kms_api::admin::{self, GetSigners};
use kms_api::operations::SponsorOperation;
use kms_api::status::{GetHealth, Health, ServiceStatus};
use kms_api::{ErrorBody, ReceivedReason, Refusal, Route, headers};
use proto::bytes::BoundedList;
use proto::command::{Allowances, RotateSigner, Sponsor, SponsorReply, WalletInfo};
use proto::json::{Excerpt, LongExcerpt};
use proto::{AccountId, Address, TeeId};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Kms, KmsError, KmsSigners, SeveralTees};
use crate::ports::{Clock as _, SystemClock};

/// Bytes. Several times the longest answer of a gateway.
const MAX_ANSWER: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Placeholder for an unknown number of seconds.
const UNKNOWN: i64 = i64::MIN;
/// The setting with the gateways' URLs.
const SETTING: &str = "remote_kms.urls";
const UNREADABLE: &str = "its answer cannot be parsed by this version; is it a KMS gateway?";

/// Gateways of one KMS, all with the same trusted application or its equals.
#[derive(Debug)]
pub struct HttpKms {
    gateways: Vec<Gateway>,
    /// The index of the gateway that answered last.
    preferred: AtomicUsize,
    /// Seconds by which the clock of the gateway that answered last is ahead.
    clock_ahead: AtomicI64,
}

/// A gateway, and whether it answers.
#[derive(Debug)]
struct Gateway {
    url: Url,
    connections: Connections,
    breaker: Arc<Breaker>,
}

/// A request to any gateway, answered with an `A`.
struct Call<A> {
    method: Method,
    /// The segments of the path.
    path: Vec<String>,
    /// The JSON body.
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, String)>,
    /// Whether another gateway may be tried if the outcome at the first is unknown.
    repeatable: bool,
    answer: PhantomData<A>,
}

enum Attempt {
    /// The request did not reach the gateway.
    NotReached(String),
    /// The gateway answered that it could not decide; it may have started. Or a proxy refused the
    /// request (4xx): signatures come with 200 only.
    Undecided(String),
    /// The gateway refused a repeated request, or could not decide it; whether the first one was
    /// granted is unknown.
    Repeated(String),
    /// No answer to a request that the gateway may have received: the outcome is unknown.
    Silent(String),
}

impl<A> Call<A> {
    fn get<R: Route<Answer = A>>(request: &R) -> Self {
        Self::new(Method::GET, request, None)
    }

    fn post<R: Route<Answer = A> + Serialize>(request: &R) -> Result<Self, KmsError> {
        let body = serde_json::to_vec(request).map_err(|_| unavailable("the request cannot be serialised as JSON"))?;
        Ok(Self::new(Method::POST, request, Some(body)))
    }

    fn new<R: Route<Answer = A>>(method: Method, request: &R, body: Option<Vec<u8>>) -> Self {
        let path = request.segments().map(str::to_owned).collect();
        Self { method, path, body, headers: Vec::new(), repeatable: true, answer: PhantomData }
    }
}

impl HttpKms {
    /// The gateways in the order in which they are tried; `timeout` is for one attempt.
    ///
    /// # Errors
    /// [`KmsError::Unavailable`] if no HTTP client can be created or no gateway is configured.
    pub fn new(gateways: Vec<Url>, timeout: Duration) -> Result<Self, KmsError> {
        if gateways.is_empty() {
            return Err(unavailable("no KMS gateway is configured"));
        }
        let make = move |url: &Url| {
            client_for(url)
                .timeout(timeout)
                // A gateway has no reason to redirect, and an approval must not go anywhere else.
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT.min(timeout))
                .build()
        };
        let gateways = gateways.into_iter().map(|url| {
            let server = url.clone();
            Ok(Gateway::new(url, Connections::new(move || make(&server))?))
        });
        let gateways: reqwest::Result<Vec<_>> = gateways.collect();
        let gateways = gateways.map_err(|_| unavailable("the HTTP client could not be created"))?;
        Ok(Self { gateways, preferred: AtomicUsize::new(0), clock_ahead: AtomicI64::new(UNKNOWN) })
    }

    async fn ask<A: DeserializeOwned>(&self, call: Call<A>) -> Result<A, KmsError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (mut why, mut in_doubt) = (Vec::new(), false);
        for offset in 0..self.gateways.len() {
            let index = (first + offset) % self.gateways.len();
            let gateway = &self.gateways[index];
            match self.attempt(gateway, &call).await {
                Ok(Err(refusal)) if in_doubt => {
                    // Another gateway may have had it signed, regardless of this answer.
                    why.push(of(&gateway.url, &refusal.to_string()));
                }
                Ok(answer) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    // A success that cannot be parsed is still a success: something was done.
                    let unreadable = |_| not_decided(&[of(&gateway.url, UNREADABLE)], call.method != Method::GET);
                    return answer.and_then(|body| serde_json::from_slice(&body).map_err(unreadable));
                }
                Err(Attempt::Undecided(message) | Attempt::Silent(message)) if !call.repeatable => {
                    return Err(not_decided(&[of(&gateway.url, &message)], true));
                }
                Err(attempt) => {
                    in_doubt |= matches!(attempt, Attempt::Silent(_) | Attempt::Repeated(_));
                    let (Attempt::NotReached(message)
                    | Attempt::Undecided(message)
                    | Attempt::Repeated(message)
                    | Attempt::Silent(message)) = attempt;
                    why.push(of(&gateway.url, &message));
                }
            }
        }
        Err(not_decided(&why, in_doubt))
    }

    /// The decision of one gateway; the outer error if it made none, as far as known.
    async fn attempt<A>(&self, gateway: &Gateway, call: &Call<A>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
        let begun = gateway.breaker.check().map_err(|outage| Attempt::NotReached(outage.to_string()))?;
        let outcome = self.send(gateway, call).await;
        match &outcome {
            Ok(_) | Err(Attempt::Undecided(_) | Attempt::Repeated(_)) => gateway.breaker.answered(),
            Err(Attempt::NotReached(why) | Attempt::Silent(why)) => gateway.breaker.failed(begun, why),
        }
        outcome
    }

    /// The gateway's clock, with a resolution of a second, and less the transfer time. `Date` may
    /// be that of a proxy.
    fn note_time(&self, response: &Response) {
        let time = response.headers().get(headers::TIME).and_then(|time| time.to_str().ok());
        let Some(theirs) = time.and_then(|time| time.parse::<u64>().ok()) else { return };
        let ahead = i64::try_from(i128::from(theirs) - i128::from(SystemClock.now()));
        self.clock_ahead.store(ahead.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// The other end may close a kept connection just as it is reused: that is not an outage, and
    /// the request is sent again on a new connection.
    async fn send<A>(&self, gateway: &Gateway, call: &Call<A>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
        match gateway.request(call)?.send().await {
            Err(error) if call.repeatable && is_closed(&error) => {
                let outcome = self.outcome(gateway.request(call)?.send().await).await;
                if call.method == Method::GET { outcome } else { repeated(outcome) }
            }
            response => self.outcome(response).await,
        }
    }

    async fn outcome(&self, response: Result<Response, reqwest::Error>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
        let response = response.map_err(|error| not_answered(&error))?;
        self.note_time(&response);
        let status = response.status();
        let body = read(response).await?;
        if status.is_success() { Ok(Ok(body)) } else { refusal(status, &body) }
    }

    /// The TEE behind a gateway; `None` if neither it nor the gateway answers.
    async fn tee_of(&self, gateway: &Gateway) -> Option<TeeId> {
        let begun = gateway.breaker.check().ok()?;
        let health = match health(&gateway.url, &gateway.connections.client()).await {
            Ok(body) => {
                gateway.breaker.answered();
                serde_json::from_slice::<Health>(&body).ok()?
            }
            Err(Attempt::NotReached(why) | Attempt::Silent(why)) => {
                gateway.breaker.failed(begun, &why);
                return None;
            }
            Err(Attempt::Undecided(_) | Attempt::Repeated(_)) => return None,
        };
        health.tee_id.filter(|_| health.service.is_of_kms())
    }
}

#[async_trait]
impl Kms for HttpKms {
    async fn sponsor(&self, command: &Sponsor, approver: Address, request_id: &str) -> Result<SponsorReply, KmsError> {
        let headers = vec![
            (headers::PAYMASTER_SIGNATURE, command.approval.signature.to_string()),
            (headers::PAYMASTER_ADDRESS, approver.to_string()),
            (headers::REQUEST_ID, request_id.to_owned()),
        ];
        let call = Call { headers, ..Call::post(&SponsorOperation::from(command))? };
        Ok(self.ask(call).await?.into())
    }

    async fn wallet(&self, account_id: &AccountId) -> Result<WalletInfo, KmsError> {
        let account = self.ask(Call::get(&GetAccount { account_id: account_id.clone() })).await?;
        account.try_into().map_err(|_| unreadable())
    }

    async fn signers(&self) -> Result<KmsSigners, KmsError> {
        let told = self.ask(Call::get(&GetSigners)).await?;
        Ok(KmsSigners {
            tee_id: told.tee_id,
            paymaster_signer: told
                .paymaster_signer
                .ok_or_else(|| unavailable("the trusted application is not provisioned"))?,
            standby_paymaster_signer: told.standby_paymaster_signer,
            signers: told.signers.iter().map(Into::into).collect(),
            rp_id: told.rp_id.as_deref().map(|rp_id| Excerpt(rp_id).to_string()),
            ceilings: told.ceilings.map(TryInto::try_into).transpose().map_err(|_| unreadable())?,
            allowances: told.allowances.map(allowances).transpose()?,
        })
    }

    async fn rotate_signer(&self, command: &RotateSigner) -> Result<(), KmsError> {
        let call = Call::post(&admin::RotateSigner::from(command))?;
        self.ask(Call { repeatable: false, ..call }).await.map(drop)
    }

    async fn ready(&self) -> Result<(), KmsError> {
        self.ask(Call::get(&GetHealth)).await.map(drop)
    }

    async fn is_one_tee(&self) -> Result<(), SeveralTees> {
        if self.gateways.len() == 1 {
            return Ok(());
        }
        let asked = self.gateways.iter().map(async |gateway| Some((shown(&gateway.url), self.tee_of(gateway).await?)));
        let gateways: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        match gateways.iter().any(|(_, tee_id)| *tee_id != gateways[0].1) {
            true => Err(SeveralTees { gateways }),
            false => Ok(()),
        }
    }

    fn url(&self) -> Option<String> {
        self.gateways.get(self.preferred.load(Ordering::Relaxed)).map(|gateway| shown(&gateway.url))
    }

    fn clock_ahead(&self) -> Option<i64> {
        Some(self.clock_ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNKNOWN)
    }
}

impl Gateway {
    fn new(url: Url, connections: Connections) -> Self {
        let probed = url.clone();
        let renewed = connections.clone();
        let breaker = Breaker::new(format!("KMS gateway {} ({SETTING})", shown(&url)), move || {
            renewed.renew();
            let (url, client) = (probed.clone(), renewed.client());
            async move { is_there(&url, &client).await }
        });
        Self { url, connections, breaker }
    }

    fn request<A>(&self, call: &Call<A>) -> Result<RequestBuilder, Attempt> {
        let url = under(&self.url, &call.path)?;
        let mut request = self.connections.client().request(call.method.clone(), url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        Ok(request)
    }
}

/// Whether the gateway answers, healthy or not.
async fn is_there(gateway: &Url, client: &Client) -> bool {
    let body = health(gateway, client).await;
    body.is_ok_and(|body| serde_json::from_slice::<ServiceStatus>(&body).is_ok_and(|answer| answer.is_of_kms()))
}

/// Its health report, with any status.
async fn health(gateway: &Url, client: &Client) -> Result<Vec<u8>, Attempt> {
    let url = under(gateway, &["health"])?;
    let response = client.get(url).send().await.map_err(|error| not_answered(&error))?;
    read(response).await
}

fn under(gateway: &Url, path: &[impl AsRef<str>]) -> Result<Url, Attempt> {
    let mut url = gateway.clone();
    url.path_segments_mut()
        .map_err(|()| Attempt::NotReached("such a URL cannot have a path".to_owned()))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

async fn read(response: Response) -> Result<Vec<u8>, Attempt> {
    bounded_http::read(response, MAX_ANSWER).await.map_err(|error| match error {
        BodyError::Broken(error) => not_answered(&error),
        BodyError::TooLarge { .. } => Attempt::Silent(error.to_string()),
    })
}

/// The outcome of a request that the gateway may already have received before: only a grant
/// resolves the first attempt.
fn repeated(outcome: Result<Result<Vec<u8>, KmsError>, Attempt>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
    match outcome {
        Ok(Err(refused)) => Err(Attempt::Repeated(refused.to_string())),
        Err(Attempt::Undecided(message)) => Err(Attempt::Repeated(message)),
        Err(Attempt::NotReached(message)) => Err(Attempt::Silent(message)),
        outcome => outcome,
    }
}

/// A decision of the gateway, or its report that it could not decide.
fn refusal(status: StatusCode, body: &[u8]) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
    if let Ok(answer) = serde_json::from_slice::<ServiceStatus>(body)
        && answer.is_of_kms()
    {
        return Err(Attempt::Undecided(format!("it is not healthy: {}", Excerpt(answer.status.as_str()))));
    }
    let Ok(ErrorBody { error: Refusal { reason, message, .. } }) = serde_json::from_slice(body) else {
        // Not the gateway's answer: a proxy in between answered instead.
        let message = format!("HTTP status {}, not from a KMS gateway", status.as_u16());
        let is_refused = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
        return Err(if is_refused { Attempt::Undecided(message) } else { Attempt::Silent(message) });
    };
    if !reason.is_decision(status.as_u16()) {
        return Err(Attempt::Undecided(format!("it cannot decide: {}", Excerpt(reason.as_str()))));
    }
    // Clients and logs receive the gateway's texts.
    let reason = match reason {
        ReceivedReason::Unknown(name) => ReceivedReason::Unknown(Excerpt(&name).to_string()),
        known => known,
    };
    Ok(Err(KmsError::Refused { reason, message: LongExcerpt(&message).to_string() }))
}

/// The connection existed, and was closed before any answer.
fn is_closed(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_timeout() && !error.is_connect()
}

fn not_answered(error: &reqwest::Error) -> Attempt {
    let why = bounded_http::cause(error);
    if error.is_connect() {
        Attempt::NotReached(format!("it cannot be reached: {why}"))
    } else {
        Attempt::Silent(format!("it did not answer: {why}"))
    }
}

/// The errors at the gateways, and the setting that names them.
fn not_decided(why: &[String], in_doubt: bool) -> KmsError {
    KmsError::Unavailable { message: format!("{SETTING}: {}", why.join("; ")), in_doubt }
}

/// The message prefixed by the gateway.
fn of(gateway: &Url, message: &str) -> String {
    format!("KMS gateway {}: {message}", shown(gateway))
}

/// The parts of its URL that are not secret.
fn shown(gateway: &Url) -> String {
    format!("{}{}", gateway.origin().ascii_serialization(), gateway.path())
}

fn allowances(told: Vec<admin::Allowance>) -> Result<Allowances, KmsError> {
    let allowances = told.into_iter().map(Into::into).collect();
    Ok(Allowances { allowances: BoundedList::new(allowances).map_err(|_| unreadable())? })
}

fn unreadable() -> KmsError {
    unavailable(format!("a KMS gateway: {UNREADABLE}"))
}

fn unavailable(message: impl Into<String>) -> KmsError {
    KmsError::Unavailable { message: message.into(), in_doubt: false }
}
