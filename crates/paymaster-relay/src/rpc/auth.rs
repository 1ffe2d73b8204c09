//! The API keys that a request carries: hashed where they are read, and taken out of it.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::clients::KeyHash;

/// The scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Takes the keys out of the headers: nothing behind the edge can log them.
pub(super) fn take_keys(headers: &mut HeaderMap) -> Vec<KeyHash> {
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| KeyHash::of(key))
    });
    let plain = headers.get_all(X_API_KEY).iter().map(|value| KeyHash::of(value.as_bytes()));
    let keys = bearer.chain(plain).collect();
    headers.remove(AUTHORIZATION);
    headers.remove(X_API_KEY);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_header_that_is_there_twice_counts_and_none_is_left() {
        for (name, values) in [(X_API_KEY, ["one", "other"]), (AUTHORIZATION, ["Bearer one", "bearer other"])] {
            let mut headers: HeaderMap = values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect();
            assert!(take_keys(&mut headers) == [KeyHash::of(b"one"), KeyHash::of(b"other")]);
            assert!(headers.is_empty());
        }
    }
}
