//! The keys that a request carries: `Authorization: Bearer` or `x-api-key`.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::KeyHash;

/// A header that contains only a key.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The scheme is case-insensitive (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"Bearer ";

/// The keys in the headers of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// Every key, hashed on parsing. An empty one, from an unset variable, is ignored.
    pub keys: Vec<KeyHash>,
    /// Whether there is an `Authorization` header with another scheme.
    pub has_other_scheme: bool,
}

impl Presented {
    /// Reads the keys from these headers.
    #[must_use]
    pub fn by(headers: &HeaderMap) -> Self {
        let mut presented = Self::default();
        for value in headers.get_all(AUTHORIZATION) {
            match bearer(value.as_bytes()) {
                Some(key) => presented.add(key),
                None => presented.has_other_scheme = true,
            }
        }
        for key in headers.get_all(X_API_KEY).iter().map(HeaderValue::as_bytes) {
            presented.add(key);
        }
        presented
    }

    /// The same, and removes the keys from the headers, so that nothing downstream can log them.
    #[must_use]
    pub fn take(headers: &mut HeaderMap) -> Self {
        let presented = Self::by(headers);
        headers.remove(AUTHORIZATION);
        headers.remove(X_API_KEY);
        presented
    }

    fn add(&mut self, key: &[u8]) {
        if !key.is_empty() {
            self.keys.push(KeyHash::of(key));
        }
    }
}

/// The key of an `Authorization`, which may be empty.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => Some(key),
        None if value.eq_ignore_ascii_case(SCHEME.trim_ascii_end()) => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_empty_header_is_no_key() {
        for (name, value) in [(X_API_KEY, ""), (AUTHORIZATION, "Bearer "), (AUTHORIZATION, "Bearer")] {
            assert_eq!(Presented::by(&headers(&[(name, value)])), Presented::default(), "{value:?}");
        }
    }

    #[test]
    fn every_key_of_a_duplicate_header_counts_and_is_removed() {
        for (name, values) in [(X_API_KEY, ["one", "other"]), (AUTHORIZATION, ["Bearer one", "bearer other"])] {
            let mut headers = headers(&values.map(|value| (name.clone(), value)));
            let presented = Presented::take(&mut headers);
            assert_eq!(presented.keys, [KeyHash::of(b"one"), KeyHash::of(b"other")]);
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn another_scheme_is_not_a_key() {
        for value in ["Basic abc", "Bearerabc", "abc", ""] {
            let presented = Presented::by(&headers(&[(AUTHORIZATION, value)]));
            assert_eq!(presented, Presented { keys: Vec::new(), has_other_scheme: true }, "{value:?}");
        }
    }
}
