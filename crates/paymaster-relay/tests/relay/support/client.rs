//! A JSON-RPC client that returns every answer unchanged.

use serde_json::{Value, json};

/// A caller of the relay over HTTP.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// An error of the relay.
#[derive(Debug)]
pub struct Refusal {
    pub code: i64,
    pub message: String,
    pub data: Value,
}

impl Refusal {
    pub fn reason(&self) -> &str {
        self.data["reason"].as_str().unwrap()
    }

    /// Every error has these fields.
    pub fn of(error: &Value) -> Self {
        let refusal = Self {
            code: error["code"].as_i64().unwrap(),
            message: error["message"].as_str().unwrap().to_owned(),
            data: error["data"].clone(),
        };
        assert!(refusal.data["reason"].is_string(), "{error}");
        assert!(refusal.data["retryable"].is_boolean(), "{error}");
        assert!(refusal.data["requestId"].as_str().is_some_and(|id| !id.is_empty()), "{error}");
        refusal
    }

    #[track_caller]
    pub fn assert_is(&self, code: i64, reason: &str, retryable: bool) {
        assert_eq!((self.code, self.reason(), &self.data["retryable"]), (code, reason, &json!(retryable)), "{self:?}");
    }
}

impl Client {
    pub fn new(url: String) -> Self {
        Self { http: devkit::http::client(), url }
    }

    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Refusal> {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let response = self.post(body.to_string(), &[]).await;
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["id"], 7, "{answer}");
        match answer.get("error") {
            Some(error) => Err(Refusal::of(error)),
            None => Ok(answer["result"].clone()),
        }
    }

    pub async fn post(&self, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}
