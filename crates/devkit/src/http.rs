//! HTTP clients for servers on this machine, which speak no TLS. A client that knows no
//! certificates is made much faster.

use reqwest::{Client, ClientBuilder, Response, Result};

/// A builder of such clients.
pub fn builder() -> ClientBuilder {
    bounded_http::client().tls_certs_only([])
}

/// A client.
///
/// # Panics
/// Never: no certificate has to be read.
pub fn client() -> Client {
    builder().build().unwrap_or_else(|error| unreachable!("{error}"))
}

/// The answer to a GET, with a client of its own.
///
/// # Errors
/// If there is none.
pub async fn get(url: impl reqwest::IntoUrl) -> Result<Response> {
    client().get(url).send().await
}
