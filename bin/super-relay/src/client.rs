//! What a client of this project needs: JSON-RPC to a relay, HTTP to a KMS gateway. Neither is trusted with more than its
//! answer.

use std::error::Error as _;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use proto::json::is_obeyed;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

use crate::error::Error;

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of the longest answer.
const MAX_ANSWER: usize = 1 << 20;
/// Characters of somebody else's line that are shown.
const MAX_SHOWN: usize = 4000;

/// The relay's JSON-RPC.
pub struct Relay(Url);

impl Relay {
    /// Talks to that URL.
    pub fn at(url: Url) -> Self {
        Self(url)
    }

    /// Calls a method; an error answer is an error here.
    pub async fn call(&self, method: &str, params: &Value) -> Result<Value, Error> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = ask(method, client()?.post(self.0.clone()).json(&request)).await?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(failed(format!("{method}: {answer}"))),
        }
    }
}

/// The HTTP API of the KMS.
#[derive(Clone)]
pub struct Kms(Url);

impl Kms {
    /// Talks to that URL.
    pub fn at(url: Url) -> Self {
        Self(url)
    }

    /// Posts to a path; an error answer is an error here.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        ask(path, client()?.post(self.url(path)?).json(body)).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        ask(path, client()?.get(self.url(path)?)).await
    }

    /// Gets a path with a query.
    pub async fn get_with(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Error> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        ask(path, client()?.get(url)).await
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        let mut url = self.0.clone();
        let mut segments = url.path_segments_mut().map_err(|()| failed("the address of the KMS has no path"))?;
        segments.pop_if_empty().extend(path.split('/').skip(1));
        drop(segments);
        Ok(url)
    }
}

fn client() -> Result<Client, Error> {
    Client::builder().timeout(PATIENCE).redirect(Policy::none()).build().map_err(failed)
}

/// The JSON of a successful answer.
async fn ask(what: &str, request: RequestBuilder) -> Result<Value, Error> {
    let mut response = request.send().await.map_err(|error| not_asked(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(failed(format!("{what}: the answer is over {MAX_ANSWER} bytes")));
        }
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer.get("error") {
        Some(error) => Err(failed(format!("{what}: {}", words(error)))),
        None if !status.is_success() => Err(failed(format!("{what}: HTTP status {status}"))),
        None if answer.is_null() => Err(failed(format!("{what}: the answer is no JSON"))),
        None => Ok(answer),
    }
}

/// An error of the KMS as people read it; anything else as it came.
fn words(error: &Value) -> String {
    match (error["message"].as_str(), error["code"].as_str()) {
        (Some(message), Some(code)) => format!("{message} ({code})"),
        _ => error.to_string(),
    }
}

/// A line of somebody else's words, of a bounded length and without what a terminal would obey.
pub fn printable(line: &str) -> String {
    let mut shown: String =
        line.chars().take(MAX_SHOWN).map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if line.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str(&format!("… ({} bytes)", line.len()));
    }
    shown
}

/// Fields of an answer that must be there.
pub trait Json {
    /// A field.
    fn object(&self, field: &str) -> Result<&Value, Error>;
    /// A text.
    fn text(&self, field: &str) -> Result<&str, Error>;

    /// A text that parses.
    fn parse<T: FromStr>(&self, field: &str) -> Result<T, Error>
    where
        T::Err: Display,
    {
        self.text(field)?.parse().map_err(failed)
    }
}

impl Json for Value {
    fn object(&self, field: &str) -> Result<&Value, Error> {
        self.get(field).ok_or_else(|| failed(format!("the answer has no {field}: {self}")))
    }

    fn text(&self, field: &str) -> Result<&str, Error> {
        self.object(field)?.as_str().ok_or_else(|| failed(format!("{field} is no text: {self}")))
    }
}

/// With its causes: refused, or not trusted, or no HTTP.
fn not_asked(error: &reqwest::Error) -> Error {
    let (mut said, mut cause) = (error.to_string(), error.source());
    while let Some(deeper) = cause {
        said = format!("{said}: {deeper}");
        cause = deeper.source();
    }
    failed(said)
}

fn failed(problem: impl Display) -> Error {
    Error::Answer(printable(&problem.to_string()))
}
