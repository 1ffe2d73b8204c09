//! The API keys that a request carries: hashed where they are read, and taken out of it.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clients::KeyHash;

/// The scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Takes the keys out of the headers: nothing behind the edge can log them. An empty one, of a
/// variable that was not set, is none.
pub(super) fn take_keys(headers: &mut HeaderMap) -> Vec<KeyHash> {
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then_some(key)
    });
    let plain = headers.get_all(X_API_KEY).iter().map(HeaderValue::as_bytes);
    let keys = bearer.chain(plain).filter(|key| !key.is_empty()).map(KeyHash::of).collect();
    headers.remove(AUTHORIZATION);
    headers.remove(X_API_KEY);
    keys
}

/// Takes away every header but the one that is read behind the edge.
pub(super) fn keep_content_type(headers: &mut HeaderMap) {
    *headers = headers.get_all(CONTENT_TYPE).iter().map(|value| (CONTENT_TYPE, value.clone())).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_header_is_no_key() {
        for (name, value) in [(X_API_KEY, ""), (AUTHORIZATION, "Bearer "), (AUTHORIZATION, "Bearer")] {
            let mut headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            assert!(take_keys(&mut headers).is_empty(), "{value:?}");
        }
    }

    #[test]
    fn every_key_of_a_header_that_is_there_twice_counts_and_none_is_left() {
        for (name, values) in [(X_API_KEY, ["one", "other"]), (AUTHORIZATION, ["Bearer one", "bearer other"])] {
            let mut headers: HeaderMap = values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect();
            assert!(take_keys(&mut headers) == [KeyHash::of(b"one"), KeyHash::of(b"other")]);
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn no_header_gets_further_but_the_content_type() {
        let given =
            [("referer", "http://x/srk_1"), ("content-type", "application/json"), ("x-original-uri", "/rpc/srk_1")];
        let mut headers: HeaderMap =
            given.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
        keep_content_type(&mut headers);
        assert_eq!(headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["content-type"]);
    }
}
