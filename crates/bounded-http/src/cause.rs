//! Why a request failed, without the address it was sent to.

use std::error::Error as _;

use reqwest::Error;

/// hyper-util's error text for a host name that does not resolve.
const DNS: &str = "dns error";

/// The root cause of a failed request: a host name that does not resolve, a refused connection, a
/// certificate, a timeout. It names at most the host of the address; the outer errors contain the
/// whole address.
#[must_use]
pub fn cause(error: &Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let Some(mut root) = error.source() else { return "the request failed".to_owned() };
    let mut is_dns = false;
    while let Some(source) = root.source() {
        is_dns |= root.to_string() == DNS;
        root = source;
    }
    if is_dns { format!("DNS: {root}") } else { root.to_string() }
}
