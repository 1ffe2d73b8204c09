//! JSON-RPC to the relay, HTTP to the KMS gateway.

use std::error::Error;
use std::time::Duration;

use kms_api::Route;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Outcome;

const PATIENCE: Duration = Duration::from_secs(60);

/// The relay's JSON-RPC.
pub struct Relay(String);

impl Relay {
    /// A client for that URL.
    pub fn at(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// Calls a method; an error answer is an error here.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Outcome<T> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let result = ask(method, client()?.post(&self.0).json(&request)).await?["result"].take();
        Ok(serde_json::from_value(result)?)
    }
}

/// The HTTP API of the KMS.
pub struct Kms(String);

impl Kms {
    /// A client for that base URL.
    pub fn at(url: &str) -> Self {
        Self(url.trim_end_matches('/').to_owned())
    }

    /// Posts a request as JSON; a refusal is an error here.
    pub async fn post<R: Route + Serialize>(&self, request: &R) -> Outcome<R::Answer> {
        let answer = ask(R::PATH, client()?.post(self.url::<R>()).json(request)).await?;
        Ok(serde_json::from_value(answer)?)
    }

    /// Sends a request without a body; a refusal is an error here.
    pub async fn get<R: Route>(&self, _: &R) -> Outcome<R::Answer> {
        Ok(serde_json::from_value(ask(R::PATH, client()?.get(self.url::<R>())).await?)?)
    }

    /// No route used by the demo has a parameter.
    fn url<R: Route>(&self) -> String {
        format!("{}{}", self.0, R::PATH)
    }
}

fn client() -> Outcome<Client> {
    Ok(devkit::http::builder().timeout(PATIENCE).build()?)
}

/// The JSON of a successful answer.
async fn ask(what: &str, request: RequestBuilder) -> Outcome<Value> {
    let answer: Value = request.send().await?.json().await?;
    match answer.get("error") {
        Some(error) => Err(format!("{what}: {error}").into()),
        None => Ok(answer),
    }
}

/// A required text field of an answer.
pub fn text<'a>(answer: &'a Value, field: &str) -> Outcome<&'a str> {
    answer[field].as_str().ok_or_else(|| format!("no {field} in {answer}").into())
}

/// An error with its causes: refused, not trusted, or not JSON.
pub fn explained(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
