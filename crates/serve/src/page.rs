//! Distinguishes requests that a browser sends for a page from those of servers and people. A DNS
//! name that suddenly resolves to another address (DNS rebinding) makes any port reachable from the
//! browser's machine same-origin with the page: there is no preflight, and every answer is
//! readable. The headers that the browser sets still reveal the page.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;

/// How the page relates to the requested origin (Fetch Metadata). Sent over https, and to
/// localhost.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page at none of these origins made the browser send this. Direct navigation by a
/// person does not count.
pub fn is_from_other_page<'a>(headers: &HeaderMap, origins: impl IntoIterator<Item = &'a str> + Clone) -> bool {
    let is_known = |origin: &[u8]| origins.clone().into_iter().any(|known| known.as_bytes() == origin);
    if headers.contains_key(ORIGIN) {
        return !headers.get_all(ORIGIN).iter().all(|origin| is_known(origin.as_bytes()));
    }
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "none")
}

/// Whether `Host` is a name that an attacker may have pointed here: over http a browser sends no
/// origin when it reads from what it considers the page's own origin. An IP address, a name without
/// a dot, and `names` cannot be pointed here by an attacker.
pub fn is_for_other_host<'a>(headers: &HeaderMap, names: impl IntoIterator<Item = &'a str> + Clone) -> bool {
    let is_known = |host: &str| {
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address || !host.contains('.') || names.clone().into_iter().any(|name| name.eq_ignore_ascii_case(host))
    };
    !headers.get_all(HOST).iter().all(|host| {
        let authority = Authority::try_from(host.as_bytes());
        authority.is_ok_and(|authority| is_known(authority.host()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_page_is_detected_by_its_origin_or_fetch_metadata() {
        let origins = ["https://dapp.example"];
        for (fields, expected) in [
            (&[][..], false),
            (&[("origin", "https://dapp.example")], false),
            (&[("origin", "https://dapp.example"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
            (&[("origin", "https://dapp.example"), ("origin", "https://evil.example")], true),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], true),
        ] {
            assert_eq!(is_from_other_page(&headers(fields), origins), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_name_with_a_dot_may_be_an_attacker_s() {
        let names = ["ops.relay.example"];
        for (fields, expected) in [
            (&[][..], false),
            (&[("host", "127.0.0.1:3001")], false),
            (&[("host", "[::1]:3001")], false),
            (&[("host", "localhost:3001")], false),
            (&[("host", "relay")], false),
            (&[("host", "OPS.relay.example:3001")], false),
            (&[("host", "evil.example:3001")], true),
            (&[("host", "127.0.0.1.evil.example")], true),
            (&[("host", "relay.example")], true),
            (&[("host", "")], true),
        ] {
            assert_eq!(is_for_other_host(&headers(fields), names), expected, "{fields:?}");
        }
    }
}
