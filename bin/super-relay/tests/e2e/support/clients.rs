//! Clients of the node: JSON-RPC to the relay, HTTP to the KMS. Every refusal must carry what the
//! protocol promises.

use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::PATIENCE;

/// A refusal, with everything a client needs: a stable reason, whether the same request may pass
/// later, and the request's ID.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The JSON-RPC error code, or the HTTP status of the KMS.
    pub code: i64,
    pub reason: String,
    pub retryable: bool,
    pub message: String,
    /// Other fields.
    pub data: Value,
}

impl Refusal {
    fn of_relay(error: &Value) -> Self {
        Self::new(error["code"].as_i64(), error["data"]["reason"].as_str(), error, &error["data"])
    }

    fn of_kms(status: u16, body: &Value) -> Self {
        let error = &body["error"];
        Self::new(Some(status.into()), error["code"].as_str(), error, error)
    }

    fn new(code: Option<i64>, reason: Option<&str>, error: &Value, data: &Value) -> Self {
        let id = data["requestId"].as_str().unwrap_or_default();
        assert!(!id.is_empty(), "a refusal without requestId: {error}");
        Self {
            code: code.unwrap_or_else(|| panic!("a refusal without code: {error}")),
            reason: reason.unwrap_or_else(|| panic!("a refusal without reason: {error}")).to_owned(),
            retryable: data["retryable"].as_bool().unwrap_or_else(|| panic!("a refusal without retryable: {error}")),
            message: error["message"]
                .as_str()
                .unwrap_or_else(|| panic!("a refusal without message: {error}"))
                .to_owned(),
            data: data.clone(),
        }
    }

    /// Asserts this refusal, and that the same request would be refused again.
    #[track_caller]
    pub fn is_final(&self, code: i64, reason: &str) {
        assert_eq!((self.code, self.reason.as_str(), self.retryable), (code, reason, false), "{self:?}");
    }

    /// Asserts this refusal, and that the same request may pass later.
    #[track_caller]
    pub fn is_retryable(&self, code: i64, reason: &str) {
        assert_eq!((self.code, self.reason.as_str(), self.retryable), (code, reason, true), "{self:?}");
    }
}

/// The relay's JSON-RPC.
#[derive(Clone)]
pub struct Rpc {
    url: String,
    client: Client,
}

impl Rpc {
    pub fn at(url: String) -> Self {
        Self { url, client: client() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Refusal> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: Value = self.post(request.to_string()).await.json().await.unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)), "{answer}");
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(Refusal::of_relay(&answer["error"])),
        }
    }

    /// Sends a body that is not a request; returns the HTTP status and the refusal.
    pub async fn refuse(&self, body: impl Into<String>) -> (u16, Refusal) {
        let response = self.post(body.into()).await;
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        (status, Refusal::of_relay(&answer["error"]))
    }

    async fn post(&self, body: String) -> Response {
        self.client.post(&self.url).header("Content-Type", "application/json").body(body).send().await.unwrap()
    }

    /// The same client with an API key.
    pub fn with_api_key(&self, key: &str) -> Self {
        let headers = [("Authorization".parse().unwrap(), format!("Bearer {key}").parse().unwrap())];
        let client =
            devkit::http::builder().timeout(PATIENCE).default_headers(headers.into_iter().collect()).build().unwrap();
        Self { url: self.url.clone(), client }
    }
}

/// The HTTP API of the KMS.
#[derive(Clone)]
pub struct Kms {
    url: String,
    client: Client,
}

impl Kms {
    pub fn at(url: String) -> Self {
        Self { url, client: client() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn get(&self, path: &str) -> Result<Value, Refusal> {
        answer(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.post_with(path, &[], body).await
    }

    pub async fn post_with(&self, path: &str, headers: &[(&str, String)], body: &Value) -> Result<Value, Refusal> {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        answer(request.send().await.unwrap()).await
    }

    /// The number of decisions the gateway has recorded, which include every signature.
    pub async fn decisions(&self) -> u64 {
        self.get("/stats").await.unwrap()["audit"]["rows"].as_u64().unwrap()
    }

    /// The addresses of the relay keys that may request signatures.
    pub async fn relay_signers(&self) -> Vec<String> {
        let answer = self.get("/admin/signers").await.unwrap();
        let signers = answer["signers"].as_array().unwrap().iter();
        signers.map(|signer| signer["address"].as_str().unwrap().to_owned()).collect()
    }
}

async fn answer(response: Response) -> Result<Value, Refusal> {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    if status.is_success() { Ok(body) } else { Err(Refusal::of_kms(status.as_u16(), &body)) }
}

fn client() -> Client {
    devkit::http::builder().timeout(PATIENCE).build().unwrap()
}
