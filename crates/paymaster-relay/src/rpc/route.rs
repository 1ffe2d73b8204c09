//! The served paths: `/`, and `/rpc[/<chain id>][/<key>]` for clients that can only be configured
//! with a URL.

use crate::clients::{KEY_PREFIX, KeyHash};

/// A parsed path. Its key is hashed immediately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) chain_id: Option<u128>,
    pub(super) key: Option<KeyHash>,
}

impl Route {
    /// `None` for an unknown path.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Some(Self::default());
        }
        let mut segments = path.split('/');
        if segments.next() != Some("rpc") {
            return None;
        }
        let mut route = Self::default();
        for segment in segments {
            match (route, chain_id(segment)) {
                (Self { chain_id: None, key: None }, Some(id)) => route.chain_id = Some(id),
                (Self { key: None, .. }, None) if segment.starts_with(KEY_PREFIX) => {
                    route.key = Some(KeyHash::of(segment.as_bytes()));
                }
                _ => return None,
            }
        }
        Some(route)
    }
}

/// Decimal, or hex with `0x`.
fn chain_id(segment: &str) -> Option<u128> {
    match segment.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => u128::from_str_radix(digits, 16).ok(),
        None if segment.bytes().all(|digit| digit.is_ascii_digit()) => segment.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_paths_are_served() {
        let key = Some(KeyHash::of(b"srk_abc"));
        for (path, chain_id, key) in [
            ("/", None, None),
            ("", None, None),
            ("/rpc", None, None),
            ("/rpc/", None, None),
            ("/rpc/8453", Some(8453), None),
            ("/rpc/0x2105", Some(8453), None),
            ("/rpc/srk_abc", None, key),
            ("/rpc/8453/srk_abc", Some(8453), key),
            ("/rpc/8453/srk_abc/", Some(8453), key),
        ] {
            assert_eq!(Route::parse(path), Some(Route { chain_id, key }), "{path}");
        }
    }

    #[test]
    fn no_other_path_is() {
        for path in [
            "/x",
            "/rpc/x",
            "/rpc/1/2",
            "/rpc/srk_a/1",
            "/rpc/srk_a/srk_b",
            "//rpc",
            "/rpc//",
            "/rpc/0x",
            "/rpc/-1",
            "/rpc/8453/key",
            "/v1/rpc",
            "/rpc/340282366920938463463374607431768211456",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
