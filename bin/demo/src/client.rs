//! JSON-RPC to the relay, HTTP to the KMS gateway.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::Outcome;

const PATIENCE: Duration = Duration::from_secs(60);

/// The relay's JSON-RPC.
pub struct Relay(String);

impl Relay {
    /// Talks to that URL.
    pub fn at(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// Calls a method; an error answer is an error here.
    pub async fn call(&self, method: &str, params: &Value) -> Outcome<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Ok(ask(method, client()?.post(&self.0).json(&request)).await?["result"].take())
    }
}

/// The HTTP API of the KMS.
pub struct Kms(String);

impl Kms {
    /// Talks to that base URL.
    pub fn at(url: &str) -> Self {
        Self(url.trim_end_matches('/').to_owned())
    }

    /// Posts to a path; an error answer is an error here.
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        ask(path, client()?.post(format!("{}{path}", self.0)).json(body)).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        ask(path, client()?.get(format!("{}{path}", self.0))).await
    }
}

fn client() -> Outcome<Client> {
    Ok(Client::builder().timeout(PATIENCE).build()?)
}

/// The JSON of a successful answer.
async fn ask(what: &str, request: RequestBuilder) -> Outcome<Value> {
    let answer: Value = request.send().await?.json().await?;
    match answer.get("error") {
        Some(error) => Err(format!("{what}: {error}").into()),
        None => Ok(answer),
    }
}

/// A text that an answer must have.
pub fn text<'a>(answer: &'a Value, field: &str) -> Outcome<&'a str> {
    answer[field].as_str().ok_or_else(|| format!("no {field} in {answer}").into())
}

/// A text that an answer must have, parsed.
pub fn parse<T: FromStr<Err: Display>>(answer: &Value, field: &str) -> Outcome<T> {
    text(answer, field)?.parse().map_err(|problem: T::Err| format!("{field}: {problem}").into())
}

/// An error with its causes: refused, not trusted, or no JSON.
pub fn explained(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
