//! URLs of servers.

use url::Url;

/// The URL of a server, or what is wrong with it.
pub(super) fn http_url(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "not a URL")?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("must be http: or https:"),
    }
}
