//! A server of JSON-RPC over HTTP, for the generated client of [`relay_api`]: a relay or a bundler,
//! whose methods have the same names. Its URL may contain a key: no error names it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use jsonrpsee::core::client::{BatchResponse, ClientT, Error as ClientError};
use jsonrpsee::core::params::BatchRequestBuilder;
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::types::ErrorObject;
use reqwest::Client;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use url::Url;

const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(10);
/// Maximum length of an answer in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// A server of JSON-RPC.
pub struct JsonRpcServer {
    client: Client,
    url: Url,
    api_key: Option<SecretString>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum NoAnswer {
    /// No connection was made: the server got nothing.
    #[error("not reached: {0}")]
    NotReached(String),
    /// The server may have got the request.
    #[error("no answer: {0}")]
    Lost(String),
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u8,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Box<RawValue>>,
}

/// A server's refusal; what else is in it is left out.
#[derive(Deserialize)]
struct Refusal {
    code: i32,
    message: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

impl JsonRpcServer {
    /// The server at that URL, which gets `api_key` as bearer token.
    pub fn at(url: Url, api_key: Option<SecretString>) -> Result<Self, NoAnswer> {
        let builder = bounded_http::client_for(&url).timeout(PATIENCE).connect_timeout(PATIENCE_TO_CONNECT);
        // A server has no reason to redirect, and the request has a key.
        let client = builder.redirect(Policy::none()).build();
        let client = client.map_err(|error| NoAnswer::NotReached(bounded_http::cause(&error)))?;
        Ok(Self { client, url, api_key })
    }

    /// The body of the answer, and whether its status is one of success.
    async fn post(&self, request: &Request<'_>) -> Result<(bool, Vec<u8>), NoAnswer> {
        let mut post = self.client.post(self.url.clone()).json(request);
        if let Some(key) = &self.api_key {
            post = post.bearer_auth(key.expose_secret());
        }
        let response = post.send().await.map_err(|error| {
            let cause = bounded_http::cause(&error);
            if error.is_connect() { NoAnswer::NotReached(cause) } else { NoAnswer::Lost(cause) }
        })?;
        let status = response.status();
        let body = bounded_http::read(response, MAX_ANSWER).await;
        let body = body.map_err(|error| NoAnswer::Lost(format!("HTTP status {status}: {}", without_url(error))))?;
        if !status.is_success() && serde_json::from_slice::<HashMap<String, &RawValue>>(&body).is_err() {
            return Err(NoAnswer::Lost(format!("HTTP status {status}")));
        }
        Ok((status.is_success(), body))
    }
}

impl ClientT for JsonRpcServer {
    async fn notification<Params>(&self, _: &str, _: Params) -> Result<(), ClientError>
    where
        Params: ToRpcParams + Send,
    {
        Err(ClientError::HttpNotImplemented)
    }

    async fn request<R, Params>(&self, method: &str, params: Params) -> Result<R, ClientError>
    where
        R: DeserializeOwned,
        Params: ToRpcParams + Send,
    {
        let request = Request { jsonrpc: "2.0", id: 1, method, params: params.to_rpc_params()? };
        let (is_success, body) = self.post(&request).await.map_err(|error| ClientError::Transport(error.into()))?;
        let answer: HashMap<String, &RawValue> = serde_json::from_slice(&body)?;
        match (answer.get("error").filter(|error| error.get() != "null"), answer.get("result")) {
            (Some(error), _) => {
                let Refusal { code, message, data } = serde_json::from_str(error.get())?;
                Err(ErrorObject::owned(code, message, data).into())
            }
            (None, Some(result)) if is_success => Ok(serde_json::from_str(result.get())?),
            (None, _) => Err(ClientError::Transport(NoAnswer::Lost("neither result nor error".to_owned()).into())),
        }
    }

    async fn batch_request<'a, R>(&self, _: BatchRequestBuilder<'a>) -> Result<BatchResponse<'a, R>, ClientError>
    where
        R: DeserializeOwned + Debug + 'a,
    {
        Err(ClientError::HttpNotImplemented)
    }
}

fn without_url(error: bounded_http::BodyError) -> String {
    match error {
        bounded_http::BodyError::Broken(error) => bounded_http::cause(&error),
        too_large @ bounded_http::BodyError::TooLarge { .. } => too_large.to_string(),
    }
}
