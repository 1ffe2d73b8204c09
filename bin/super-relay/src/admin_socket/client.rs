//! The command line's end of the admin socket.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Refusal;
use crate::error::Error;
use crate::printable::printable;

const PATIENCE: Duration = Duration::from_secs(30);

/// The node behind a socket.
pub struct Node {
    socket: PathBuf,
    client: Client,
}

impl Node {
    /// Does not connect yet.
    pub fn at(socket: PathBuf) -> Result<Self, Error> {
        // No TLS on a socket of this machine.
        let client = bounded_http::client().tls_certs_only([]).unix_socket(socket.clone());
        let client = client.timeout(PATIENCE).redirect(Policy::none()).build();
        Ok(Self { socket, client: client.map_err(|error| Error::Answer(error.to_string()))? })
    }

    /// A request without a body, and its answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(self.request(Method::GET, path)).await
    }

    /// A request with a body, and its answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    /// The host is meaningless: the connection is the socket's.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://node{path}"))
    }

    /// Its answer.
    ///
    /// # Errors
    /// [`Error::Answer`] with the refusal.
    pub async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let not_there = |error: reqwest::Error| {
            let why =
                if error.is_connect() { "no node listens there: is it running, as the same user?" } else { "failed" };
            Error::Answer(format!("{}: {why}", self.socket.display()))
        };
        let response = request.send().await.map_err(not_there)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(not_there);
        }
        match response.json::<Refusal>().await {
            Ok(Refusal { error }) => Err(Error::Answer(printable(&error))),
            Err(_) => {
                Err(Error::Answer(format!("the node answered with HTTP status {status}: is it the same version?")))
            }
        }
    }
}
