//! The KMS over the gateway's HTTP API: several gateways, the one that answered last asked first.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bounded_http::BodyError;
use breaker::Breaker;
use proto::bytes::{Bounded, BoundedList};
use proto::command::{
    Ceilings, Deployment, PasskeyInfo, PasskeyPublicKey, RotateSigner, Sponsor, SponsorReply, WalletInfo,
};
use proto::json::passkey::base64url;
use proto::json::{Excerpt, LongExcerpt, address, bytes, quantity};
use proto::signers::AuthorisedSigner;
use proto::{AccountId, EntryPoint, Permissions, Signature, TeeId, UserOpHash, Wei};
use reqwest::header::DATE;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::body::{
    self, AccountAnswer, CeilingsAnswer, DeploymentAnswer, ErrorAnswer, HealthAnswer, PasskeyAnswer, SignerAnswer,
    SignersAnswer, SponsorAnswer, UnhealthyAnswer,
};
use super::{Kms, KmsError, KmsSigners};

/// Bytes. Several times the longest answer of a gateway.
const MAX_ANSWER: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// In the place of seconds.
const UNKNOWN: i64 = i64::MIN;
/// How a gateway names itself.
const SERVICE: &str = "super-relay-kms";
const UNREADABLE: &str = "this version cannot read what it answers; is it a KMS gateway?";

/// Gateways of one KMS, all over the same trusted application or its equals.
#[derive(Debug)]
pub struct HttpKms {
    client: Client,
    gateways: Vec<Gateway>,
    /// The index of the gateway that answered last.
    preferred: AtomicUsize,
    /// Seconds, of the gateway that answered last.
    clock_ahead: AtomicI64,
}

/// One of the gateways, and whether it answers.
#[derive(Debug)]
struct Gateway {
    url: Url,
    breaker: Arc<Breaker>,
}

/// One request to whichever gateway answers.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    /// Whether another gateway may be asked when nobody knows what became of it at the first.
    repeatable: bool,
}

enum Attempt {
    /// It surely was not decided there.
    NotReached(String),
    /// The gateway's word that it could not decide; it may have begun.
    Undecided(String),
    /// It refused a request that was repeated, or could not decide it; the one before may have been granted, and nobody
    /// knows.
    Repeated(String),
    /// Nobody knows: there was no word of a gateway about a request that it may have had.
    Silent(String),
}

impl HttpKms {
    /// Gateways in the order they are tried; `timeout` is for one attempt.
    ///
    /// # Errors
    /// [`KmsError::Unavailable`] when no HTTP client can be made or no gateway is named.
    pub fn new(gateways: Vec<Url>, timeout: Duration) -> Result<Self, KmsError> {
        if gateways.is_empty() {
            return Err(unavailable("no KMS gateway is configured"));
        }
        let client = Client::builder()
            .timeout(timeout)
            // A gateway has no reason to, and an approval goes nowhere else.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .build()
            .map_err(|_| unavailable("no HTTP client can be made"))?;
        let gateways = gateways.into_iter().map(|url| Gateway::new(url, client.clone())).collect();
        Ok(Self { client, gateways, preferred: AtomicUsize::new(0), clock_ahead: AtomicI64::new(UNKNOWN) })
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, KmsError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (mut why, mut in_doubt) = (Vec::new(), false);
        for offset in 0..self.gateways.len() {
            let index = (first + offset) % self.gateways.len();
            let gateway = &self.gateways[index];
            match self.attempt(gateway, &call).await {
                Ok(Err(refusal)) if in_doubt => {
                    // Another gateway may have had it signed, whatever this one says.
                    why.push(of(&gateway.url, &refusal.to_string()));
                }
                Ok(answer) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    // A yes that can't be read is a yes: something was done.
                    let unreadable = |_| KmsError::Unavailable {
                        message: of(&gateway.url, UNREADABLE),
                        in_doubt: call.method != Method::GET,
                    };
                    return answer.and_then(|body| serde_json::from_slice(&body).map_err(unreadable));
                }
                Err(Attempt::Undecided(message) | Attempt::Silent(message)) if !call.repeatable => {
                    return Err(KmsError::Unavailable { message: of(&gateway.url, &message), in_doubt: true });
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
        Err(KmsError::Unavailable { message: why.join("; "), in_doubt })
    }

    /// What one gateway decided; the outer error when it decided nothing, as far as we know.
    async fn attempt(&self, gateway: &Gateway, call: &Call<'_>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
        let begun = gateway.breaker.check().map_err(|outage| Attempt::NotReached(outage.to_string()))?;
        let outcome = self.send(&gateway.url, call).await;
        match &outcome {
            Ok(_) | Err(Attempt::Undecided(_) | Attempt::Repeated(_)) => gateway.breaker.answered(),
            Err(Attempt::NotReached(why) | Attempt::Silent(why)) => gateway.breaker.failed(begun, why),
        }
        outcome
    }

    /// The clock at the other end, within the second that HTTP tells it and the time of the way.
    fn note_time(&self, response: &Response) {
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return };
        let ahead = match theirs.duration_since(SystemTime::now()) {
            Ok(ahead) => i64::try_from(ahead.as_secs()),
            Err(behind) => i64::try_from(behind.duration().as_secs()).map(std::ops::Neg::neg),
        };
        self.clock_ahead.store(ahead.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// A connection that was kept may be closed by the other end at the moment it is used again: that is no outage yet, and
    /// the request goes out once more on another.
    async fn send(&self, gateway: &Url, call: &Call<'_>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
        match self.request(gateway, call)?.send().await {
            Err(error) if call.repeatable && is_closed(&error) => {
                let outcome = self.outcome(self.request(gateway, call)?.send().await).await;
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

    fn request(&self, gateway: &Url, call: &Call<'_>) -> Result<RequestBuilder, Attempt> {
        let url = under(gateway, call.path)?;
        let mut request = self.client.request(call.method.clone(), url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        Ok(request)
    }
}

#[async_trait]
impl Kms for HttpKms {
    async fn sponsor(&self, command: &Sponsor, request_id: &str) -> Result<SponsorReply, KmsError> {
        let relay = super::approver(command).ok_or_else(|| unavailable("the approval has no signer"))?;
        let answer: SponsorAnswer = self
            .ask(Call {
                method: Method::POST,
                path: &["kms", "sponsor-user-operation"],
                body: Some(body::sponsor(command)),
                headers: vec![
                    ("x-paymaster-signature", body::signature(&command.approval.signature)),
                    ("x-paymaster-address", relay.to_string()),
                    ("x-request-id", request_id.to_owned()),
                ],
                repeatable: true,
            })
            .await?;
        sponsor_reply(&answer).map_err(|error| match error {
            KmsError::Unavailable { message, .. } => KmsError::Unavailable { message, in_doubt: true },
            other => other,
        })
    }

    async fn wallet(&self, account_id: &AccountId) -> Result<WalletInfo, KmsError> {
        let answer: AccountAnswer = self.ask(get(&["kms", "accounts", account_id.as_str()])).await?;
        let passkeys = answer.passkeys.iter().map(passkey).collect::<Result<_, _>>()?;
        Ok(WalletInfo {
            account_id: answer.account_id.parse().map_err(|_| unreadable())?,
            owner: parse(address(&answer.owner_address))?,
            signature_scheme: answer.signature_scheme,
            passkeys: BoundedList::new(passkeys).map_err(|_| unreadable())?,
        })
    }

    async fn signers(&self) -> Result<KmsSigners, KmsError> {
        let answer: SignersAnswer = self.ask(get(&["admin", "signers"])).await?;
        let paymaster_signer =
            answer.paymaster_signer.ok_or_else(|| unavailable("the trusted application is not provisioned"))?;
        Ok(KmsSigners {
            tee_id: TeeId(fixed(&answer.tee_id)?),
            paymaster_signer: parse(address(&paymaster_signer))?,
            standby_paymaster_signer: answer
                .standby_paymaster_signer
                .as_deref()
                .map(address)
                .transpose()
                .map_err(|_| unreadable())?,
            signers: answer.signers.iter().map(signer).collect::<Result<_, _>>()?,
            rp_id: answer.rp_id.as_deref().map(|rp_id| Excerpt(rp_id).to_string()),
            ceilings: answer.ceilings.as_ref().map(ceilings).transpose()?,
        })
    }

    async fn rotate_signer(&self, command: &RotateSigner) -> Result<(), KmsError> {
        let _: Value = self
            .ask(Call {
                method: Method::POST,
                path: &["admin", "rotate-signer"],
                body: Some(body::rotate_signer(command)),
                headers: Vec::new(),
                repeatable: false,
            })
            .await?;
        Ok(())
    }

    async fn ready(&self) -> Result<(), KmsError> {
        let _: HealthAnswer = self.ask(get(&["health"])).await?;
        Ok(())
    }

    fn url(&self) -> Option<String> {
        self.gateways.get(self.preferred.load(Ordering::Relaxed)).map(|gateway| shown(&gateway.url))
    }

    fn clock_ahead(&self) -> Option<i64> {
        Some(self.clock_ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNKNOWN)
    }
}

fn sponsor_reply(answer: &SponsorAnswer) -> Result<SponsorReply, KmsError> {
    Ok(SponsorReply {
        user_op_hash: UserOpHash(fixed(&answer.user_op_hash)?),
        paymaster_signer: parse(address(&answer.paymaster_signer))?,
        paymaster_signature: signature(&answer.paymaster_signature)?,
        account_signature: answer.signature.as_deref().map(signature).transpose()?,
    })
}

impl Gateway {
    fn new(url: Url, client: Client) -> Self {
        let probed = url.clone();
        let breaker = Breaker::new(format!("KMS gateway {}", shown(&url)), move || {
            let (url, client) = (probed.clone(), client.clone());
            async move { is_there(&url, &client).await }
        });
        Self { url, breaker }
    }
}

/// Whether the gateway answers, healthy or not.
async fn is_there(gateway: &Url, client: &Client) -> bool {
    let Ok(url) = under(gateway, &["health"]) else { return false };
    let asked = async { bounded_http::read(client.get(url).send().await?, MAX_ANSWER).await };
    asked.await.is_ok_and(|body| {
        serde_json::from_slice::<HealthAnswer>(&body).is_ok()
            || serde_json::from_slice::<UnhealthyAnswer>(&body).is_ok_and(|answer| answer.service == SERVICE)
    })
}

fn under(gateway: &Url, path: &[&str]) -> Result<Url, Attempt> {
    let mut url = gateway.clone();
    url.path_segments_mut()
        .map_err(|()| Attempt::NotReached("such an address has no path".to_owned()))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

fn get<'a>(path: &'a [&'a str]) -> Call<'a> {
    Call { method: Method::GET, path, body: None, headers: Vec::new(), repeatable: true }
}

async fn read(response: Response) -> Result<Vec<u8>, Attempt> {
    bounded_http::read(response, MAX_ANSWER).await.map_err(|error| match error {
        BodyError::Broken(error) => not_answered(&error),
        BodyError::TooLarge { .. } => Attempt::Silent(error.to_string()),
    })
}

/// The outcome of a request that the gateway may have had once before: only a grant says what became of that.
fn repeated(outcome: Result<Result<Vec<u8>, KmsError>, Attempt>) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
    match outcome {
        Ok(Err(refused)) => Err(Attempt::Repeated(refused.to_string())),
        Err(Attempt::Undecided(message)) => Err(Attempt::Repeated(message)),
        Err(Attempt::NotReached(message)) => Err(Attempt::Silent(message)),
        outcome => outcome,
    }
}

/// It comes with status 429, and is a decision: the new key was not taken.
const ROTATION_TOO_SOON: &str = "rotation_too_soon";

/// A decision of the gateway, or its word that it could not decide.
fn refusal(status: StatusCode, body: &[u8]) -> Result<Result<Vec<u8>, KmsError>, Attempt> {
    if let Ok(UnhealthyAnswer { service, status }) = serde_json::from_slice(body)
        && service == SERVICE
    {
        return Err(Attempt::Undecided(format!("it is not healthy: {}", Excerpt(&status))));
    }
    let Ok(ErrorAnswer { error }) = serde_json::from_slice(body) else {
        // Not the gateway's words: something between us answered in its place.
        return Err(Attempt::Silent(format!("HTTP status {}, and no word of a KMS gateway", status.as_u16())));
    };
    if is_undecided(status) && error.code != ROTATION_TOO_SOON {
        return Err(Attempt::Undecided(format!("it cannot decide: {}", Excerpt(&error.code))));
    }
    // Clients get a gateway's words, and logs have them.
    let message = LongExcerpt(&error.message).to_string();
    Ok(Err(KmsError::Refused { reason: Excerpt(&error.code).to_string(), message }))
}

/// Whether the gateway could not decide, or not yet. That a refusal may pass later is no such word.
fn is_undecided(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// The connection was there, and ended before any answer.
fn is_closed(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_timeout() && !error.is_connect()
}

fn not_answered(error: &reqwest::Error) -> Attempt {
    let why = if error.is_timeout() { "no answer in time".to_owned() } else { root_of(error) };
    if error.is_connect() {
        Attempt::NotReached(format!("it cannot be reached: {why}"))
    } else {
        Attempt::Silent(format!("it did not answer: {why}"))
    }
}

/// What an error comes down to. The errors above it name the address, with all that is in it.
fn root_of(error: &reqwest::Error) -> String {
    let Some(mut root) = error.source() else { return "the request failed".to_owned() };
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

/// Names a gateway, with what went wrong.
fn of(gateway: &Url, message: &str) -> String {
    format!("KMS gateway {}: {message}", shown(gateway))
}

/// What of its address is no secret.
fn shown(gateway: &Url) -> String {
    format!("{}{}", gateway.origin().ascii_serialization(), gateway.path())
}

fn ceilings(answer: &CeilingsAnswer) -> Result<Ceilings, KmsError> {
    let deployment = |answer: &DeploymentAnswer| {
        let chain_id = parse(quantity(&answer.chain_id))?.try_into().map_err(|_| unreadable())?;
        let entry_point =
            EntryPoint { chain_id, address: parse(address(&answer.entry_point))?, version: answer.version };
        Ok(Deployment { entry_point, paymaster: parse(address(&answer.paymaster))? })
    };
    let deployments = answer.deployments.iter().map(deployment).collect::<Result<_, KmsError>>()?;
    Ok(Ceilings {
        deployments: BoundedList::new(deployments).map_err(|_| unreadable())?,
        max_cost: Wei(parse(quantity(&answer.max_cost))?),
        max_window: answer.max_window,
        max_accounts: answer.max_accounts,
    })
}

fn signer(answer: &SignerAnswer) -> Result<AuthorisedSigner, KmsError> {
    // Permissions of a later version are left out: what we don't know we don't need.
    let permissions = answer.permissions.iter().filter_map(|name| Permissions::named(name));
    Ok(AuthorisedSigner {
        record: answer.record,
        authorised_as: parse(address(&answer.authorised_as))?,
        address: parse(address(&answer.address))?,
        rotations: answer.rotations,
        permissions: permissions.fold(Permissions::default(), |all, one| all | one),
    })
}

fn passkey(answer: &PasskeyAnswer) -> Result<PasskeyInfo, KmsError> {
    let point: [u8; 65] = fixed(&answer.public_key)?;
    let (mut x, mut y) = ([0; 32], [0; 32]);
    x.copy_from_slice(&point[1..33]);
    y.copy_from_slice(&point[33..]);
    let credential_id = base64url(&answer.credential_id).map_err(|_| unreadable())?;
    Ok(PasskeyInfo { credential_id, public_key: PasskeyPublicKey { x, y } })
}

fn signature(text: &str) -> Result<Signature, KmsError> {
    fixed(text).map(|bytes| Signature::from_bytes(&bytes))
}

fn fixed<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], KmsError> {
    let parsed: Bounded<Vec<u8>, LENGTH> = parse(bytes(text))?;
    parsed.into_inner().try_into().map_err(|_| unreadable())
}

fn parse<T>(parsed: Result<T, String>) -> Result<T, KmsError> {
    parsed.map_err(|_| unreadable())
}

fn unreadable() -> KmsError {
    unavailable(format!("a KMS gateway: {UNREADABLE}"))
}

fn unavailable(message: impl Into<String>) -> KmsError {
    KmsError::Unavailable { message: message.into(), in_doubt: false }
}
