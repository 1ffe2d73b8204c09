//! A server to which signed requests are posted: each ends within a time, answered or not, few are
//! under way at once, and while the server does not answer, further ones fail immediately.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bounded_http::{BodyError, Connections, client_for};
use breaker::Breaker;
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::secrets::Secrets;
use crate::ports::Clock;

/// Bytes of an answer.
const MAX_ANSWER: usize = 16 * 1024;
/// Before the first repetition; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// A server of the operator.
pub(crate) struct SignedEndpoint {
    /// Its name in the log and in errors.
    what: String,
    url: Url,
    secrets: Secrets,
    patience: Duration,
    retries: u32,
    connections: Connections,
    breaker: Arc<Breaker>,
    slots: Semaphore,
    clock: Arc<dyn Clock>,
}

/// How such a server is called.
pub(crate) struct Manner {
    pub(crate) patience: Duration,
    pub(crate) retries: u32,
    pub(crate) max_calls: usize,
}

/// What an unanswered request says about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// That it does not answer.
    Outage,
    /// Nothing by itself, since anybody may have caused it: a probe has to fail too.
    Doubt,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// No answer. Its text is for the log, and never contains the URL.
#[derive(Debug, Error)]
#[error("{detail}")]
pub(crate) struct Unanswered {
    pub(crate) detail: String,
    /// Whether the server may have received the request.
    pub(crate) may_be_received: bool,
}

impl fmt::Debug for SignedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedEndpoint").field("what", &self.what).finish_non_exhaustive()
    }
}

impl SignedEndpoint {
    /// Creates the client; it makes no request yet.
    ///
    /// # Errors
    /// If no client can be made: the system's certificates cannot be read.
    pub(crate) fn new(
        what: String,
        url: Url,
        secrets: Secrets,
        manner: &Manner,
        clock: Arc<dyn Clock>,
    ) -> reqwest::Result<Self> {
        let Manner { patience, retries, max_calls } = *manner;
        let server = url.clone();
        let make = move || {
            // A redirection could send the request, and what it says, anywhere.
            client_for(&server).redirect(Policy::none()).timeout(patience).connect_timeout(patience).build()
        };
        let connections = Connections::new(make)?;
        let (probed, renewed) = (url.clone(), connections.clone());
        let breaker = Breaker::new(what.clone(), move || {
            renewed.renew();
            is_there(renewed.client(), probed.clone())
        });
        Ok(Self {
            what,
            url,
            secrets,
            patience,
            retries,
            connections,
            breaker,
            slots: Semaphore::new(max_calls),
            clock,
        })
    }

    /// Its name in the log.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Whether it is known not to answer now.
    pub(crate) fn is_out(&self) -> bool {
        self.breaker.check().is_err()
    }

    /// Posts a JSON document, under the same id each time that it has to be repeated. An answer
    /// with a status of 500 or more is none.
    pub(crate) async fn post(&self, id: &str, body: &Bytes, weight: Weight) -> Result<Answer, Unanswered> {
        let is_out = |outage: breaker::Outage| Unanswered::unsent(outage.to_string());
        let deadline = Instant::now() + self.patience;
        self.breaker.check().map_err(is_out)?;
        let Ok(Ok(_slot)) = timeout_at(deadline, self.slots.acquire()).await else {
            return Err(Unanswered::unsent(format!("{}: too many requests wait for its answer", self.what)));
        };
        // It may have stopped answering meanwhile.
        let begun = self.breaker.check().map_err(is_out)?;
        let is_sent = AtomicBool::new(false);
        let outcome = timeout_at(deadline, self.attempts(id, body, &is_sent)).await;
        let detail = match outcome {
            Ok(Ok(answer)) => {
                self.breaker.answered();
                return Ok(answer);
            }
            Ok(Err(Failure::TooLong(detail))) => {
                self.breaker.answered();
                return Err(Unanswered { detail, may_be_received: true });
            }
            Ok(Err(Failure::Broken(detail))) => detail,
            Err(_) => format!("{} did not answer in time", self.what),
        };
        match weight {
            Weight::Outage => self.breaker.failed(begun, &detail),
            Weight::Doubt => self.breaker.doubted(begun, &detail),
        }
        Err(Unanswered { detail, may_be_received: is_sent.load(Ordering::Relaxed) })
    }

    async fn attempts(&self, id: &str, body: &Bytes, is_sent: &AtomicBool) -> Result<Answer, Failure> {
        let mut attempt = 0;
        loop {
            let detail = match self.once(id, body, is_sent).await {
                Ok(Answer { status, .. }) if status.is_server_error() => {
                    format!("{} answered HTTP status {}", self.what, status.as_u16())
                }
                Err(Failure::Broken(detail)) => detail,
                outcome => return outcome,
            };
            if attempt >= self.retries {
                return Err(Failure::Broken(detail));
            }
            sleep(PAUSE * (1 << attempt.min(8))).await;
            attempt += 1;
        }
    }

    async fn once(&self, id: &str, body: &Bytes, is_sent: &AtomicBool) -> Result<Answer, Failure> {
        let timestamp = self.clock.now();
        let request = self
            .connections
            .client()
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.secrets.sign(id, timestamp, body))
            .body(body.clone());
        let before = is_sent.swap(true, Ordering::Relaxed);
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                is_sent.store(before, Ordering::Relaxed);
            }
            Failure::Broken(format!("{} did not answer: {}", self.what, bounded_http::cause(&error)))
        })?;
        let status = response.status();
        let body = bounded_http::read(response, MAX_ANSWER).await.map_err(|error| match error {
            BodyError::TooLarge { .. } => Failure::TooLong(format!("{}: {error}", self.what)),
            BodyError::Broken(error) => {
                Failure::Broken(format!("{} did not answer: {}", self.what, bounded_http::cause(&error)))
            }
        })?;
        Ok(Answer { status, body })
    }
}

/// Why one attempt has no answer.
enum Failure {
    /// The answer is too long, and would be again.
    TooLong(String),
    Broken(String),
}

impl Unanswered {
    fn unsent(detail: String) -> Self {
        Self { detail, may_be_received: false }
    }
}

/// Whether anything answers there. A server that takes only signed requests answers with an error.
async fn is_there(client: Client, url: Url) -> bool {
    let answer = client.head(url).send().await;
    answer.is_ok_and(|answer| !answer.status().is_server_error() || answer.status() == StatusCode::NOT_IMPLEMENTED)
}
