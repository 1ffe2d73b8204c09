//! HTTP client of a KMS gateway. The gateway is not trusted.

use std::error::Error as _;
use std::fmt::{self, Display};
use std::time::Duration;

use kms_api::{ErrorBody, Refusal, Route};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::Error;
use crate::printable::printable;

const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum length of an answer in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// The HTTP API of the KMS.
#[derive(Clone)]
pub struct Kms(Url);

/// Why a request failed.
#[derive(Debug)]
pub enum NoAnswer {
    /// The gateway's refusal.
    Refused {
        /// The route.
        path: &'static str,
        /// The refusal.
        refusal: Refusal,
    },
    /// Any other failure, for people.
    Failed(String),
}

impl Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { path, refusal } => f.write_str(&printable(&format!("{path}: {refusal}"))),
            Self::Failed(problem) => f.write_str(&printable(problem)),
        }
    }
}

impl From<NoAnswer> for Error {
    fn from(why: NoAnswer) -> Self {
        Self::Answer(why.to_string())
    }
}

impl Kms {
    /// A client for that URL.
    pub fn at(url: Url) -> Self {
        Self(url)
    }

    /// Posts a request as JSON.
    pub async fn post<R: Route + Serialize>(&self, request: &R) -> Result<R::Answer, NoAnswer> {
        ask(R::PATH, client()?.post(self.url(request)?).json(request)).await
    }

    /// Sends a GET request.
    pub async fn get<R: Route>(&self, request: &R) -> Result<R::Answer, NoAnswer> {
        ask(R::PATH, client()?.get(self.url(request)?)).await
    }

    fn url<R: Route>(&self, request: &R) -> Result<Url, NoAnswer> {
        let mut url = self.0.clone();
        let mut segments = url.path_segments_mut().map_err(|()| failed("the address of the KMS has no path"))?;
        segments.pop_if_empty().extend(request.segments());
        drop(segments);
        if let Some(pair) = request.query() {
            url.query_pairs_mut().extend_pairs([pair]);
        }
        Ok(url)
    }
}

fn client() -> Result<Client, NoAnswer> {
    bounded_http::client().timeout(PATIENCE).redirect(Policy::none()).build().map_err(failed)
}

async fn ask<A: DeserializeOwned>(path: &'static str, request: RequestBuilder) -> Result<A, NoAnswer> {
    let response = request.send().await.map_err(|error| not_asked(&error))?;
    let status = response.status();
    let body = bounded_http::read(response, MAX_ANSWER).await.map_err(|error| failed(format!("{path}: {error}")))?;
    if let Ok(ErrorBody { error: refusal }) = serde_json::from_slice(&body) {
        return Err(NoAnswer::Refused { path, refusal });
    }
    if !status.is_success() {
        return Err(failed(format!("{path}: HTTP status {status}")));
    }
    serde_json::from_slice(&body).map_err(|problem| failed(format!("{path}: the answer cannot be read: {problem}")))
}

/// The error with its causes: refused, not trusted, or not HTTP.
fn not_asked(error: &reqwest::Error) -> NoAnswer {
    let (mut said, mut cause) = (error.to_string(), error.source());
    while let Some(deeper) = cause {
        said = format!("{said}: {deeper}");
        cause = deeper.source();
    }
    failed(said)
}

fn failed(problem: impl Display) -> NoAnswer {
    NoAnswer::Failed(problem.to_string())
}
