//! The gateway's HTTP API, where answers may be missing.

use std::time::Duration;

use devkit::SoftPasskey;
use reqwest::StatusCode;
use serde_json::{Value, json};

const RP_ID: &str = "localhost";
const ORIGIN: &str = "http://localhost:5173";
/// Only tells what never answers from what is slow: two guests and a build may share two cores, and
/// a killed gateway keeps its connections until OP-TEE is done with its last command.
const TIMEOUT: Duration = Duration::from_secs(120);

pub struct Kms {
    pub client: reqwest::Client,
    pub url: String,
}

/// There is no answer that says what was done.
#[derive(Debug)]
pub enum NoAnswer {
    /// The connection broke.
    HungUp,
    /// A typed refusal that is retryable.
    Retryable(String),
    /// Any other refusal.
    Refused(StatusCode, String),
}

pub type Answer = Result<Value, NoAnswer>;

impl Kms {
    pub fn at(url: &str) -> Self {
        Self { client: devkit::http::builder().timeout(TIMEOUT).build().unwrap(), url: url.into() }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.map_err(hung_up)?;
        let status = response.status();
        let body: Value = response.json().await.map_err(hung_up)?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let error = &body["error"];
        let code = error["code"].as_str().unwrap_or_else(|| panic!("an untyped error: {body}")).to_owned();
        assert!(error["requestId"].is_string(), "{body}");
        Err(match error["retryable"].as_bool() {
            Some(true) => NoAnswer::Retryable(code),
            _ => NoAnswer::Refused(status, code),
        })
    }

    /// Registers a new passkey and creates its account.
    pub async fn new_account(&self) -> Result<(SoftPasskey, Value), NoAnswer> {
        let (passkey, registration) = self.register().await?;
        Ok((passkey, self.create_account(&registration).await?))
    }

    /// A new passkey, and the id of its registration.
    pub async fn register(&self) -> Result<(SoftPasskey, Value), NoAnswer> {
        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN).unwrap();
        let begun = self.post("/webauthn/register/begin", &json!({ "userName": "alice" })).await?;
        let credential = passkey.register(&begun["publicKey"]).unwrap();
        let finish = json!({ "registrationId": begun["registrationId"], "credential": credential });
        self.post("/webauthn/register/finish", &finish).await?;
        Ok((passkey, begun["registrationId"].clone()))
    }

    pub async fn create_account(&self, registration: &Value) -> Answer {
        self.post("/kms/create-deterministic-account", &json!({ "registrationId": registration })).await
    }
}

fn hung_up(error: reqwest::Error) -> NoAnswer {
    assert!(!error.is_timeout(), "no answer within {TIMEOUT:?}: {error}");
    NoAnswer::HungUp
}
