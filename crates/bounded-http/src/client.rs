//! HTTP clients. TLS is rustls with the cryptography of ring, which compiles in a fraction of the
//! time of rustls' default.

use reqwest::{Client, ClientBuilder};
use url::Url;

/// A builder of clients for any URL. Each client reads the system's certificates.
pub fn client() -> ClientBuilder {
    // Fails if the process has a provider already, such as this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "the provider is installed")]
    Client::builder()
}

/// A builder of clients for that URL and others of its scheme: those without TLS read no
/// certificates.
pub fn client_for(url: &Url) -> ClientBuilder {
    match url.scheme() {
        "http" => client().tls_certs_only([]),
        _ => client(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_can_be_made_again_and_again() {
        let [plain, with_tls] = ["http://127.0.0.1", "https://127.0.0.1"].map(|url| url.parse().unwrap());
        for client in [client(), client_for(&plain), client_for(&with_tls), client()] {
            assert!(client.build().is_ok());
        }
    }
}
