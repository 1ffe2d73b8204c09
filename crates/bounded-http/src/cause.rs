//! Why a request got no answer, without the address that it was sent to.

use std::error::Error as _;

use reqwest::Error;

/// hyper-util's word for a host name that does not resolve.
const DNS: &str = "dns error";

/// What a failed request comes down to: a host name that does not resolve, a refused connection, a
/// certificate, a timeout. Of the address, it names the host at most: the errors above it name all.
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
