//! What a client of this project needs: JSON-RPC to a relay, HTTP to a KMS gateway.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Value, json};
use url::Url;

use crate::error::Error;

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
        let answer: Value = post(self.0.clone(), &request).await?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(failed(format!("{method}: {}", answer.get("error").unwrap_or(&answer)))),
        }
    }
}

/// The HTTP API of the KMS.
pub struct Kms(Url);

impl Kms {
    /// Talks to that URL.
    pub fn at(url: Url) -> Self {
        Self(url)
    }

    /// Posts to a path; an error answer is an error here.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let answer = post(self.0.join(path).map_err(failed)?, body).await?;
        refuse_error(path, answer)
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        let url = self.0.join(path).map_err(failed)?;
        let answer = reqwest::get(url).await.map_err(failed)?.json().await.map_err(failed)?;
        refuse_error(path, answer)
    }
}

async fn post(url: Url, body: &Value) -> Result<Value, Error> {
    let answer = reqwest::Client::new().post(url).json(body).send().await.map_err(failed)?;
    answer.json().await.map_err(failed)
}

fn refuse_error(path: &str, answer: Value) -> Result<Value, Error> {
    match answer.get("error") {
        Some(error) => Err(failed(format!("{path}: {}", words(error)))),
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

fn failed(problem: impl Display) -> Error {
    Error::Answer(problem.to_string())
}
