//! The headers that are read behind the edge. API keys are hashed and removed before.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Removes every header except the one that is read behind the edge.
pub(super) fn keep_content_type(headers: &mut HeaderMap) {
    *headers = headers.get_all(CONTENT_TYPE).iter().map(|value| (CONTENT_TYPE, value.clone())).collect();
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

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
