//! Origins of pages, in the form that browsers send in `Origin`.

use std::fmt;
use std::str::FromStr;

use proto::json::Excerpt;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

/// A rule for the value of `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// `*`: anything, including no header.
    Any,
    /// `missing`: requests without the header, like those of servers and native apps.
    Missing,
    /// `null`: sandboxed frames, files, web views of some wallets.
    Null,
    /// `chrome-extension://*`: every page with that scheme.
    Scheme(String),
    /// `https://dapp.example`: this origin.
    Exact(String),
}

/// The text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{found:?} is not an origin: expected scheme://host[:port] without a path, scheme://*, null, missing or *")]
pub struct InvalidOrigin {
    /// The text found, truncated.
    pub found: String,
}

impl FromStr for OriginRule {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin { found: Excerpt(text).to_string() };
        match text {
            "*" => return Ok(Self::Any),
            "missing" => return Ok(Self::Missing),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let (scheme, host) = text.split_once("://").ok_or_else(invalid)?;
        let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme_byte) {
            return Err(invalid());
        }
        let scheme = scheme.to_ascii_lowercase();
        if host == "*" {
            return Ok(Self::Scheme(scheme));
        }
        let url = Url::parse(text).map_err(|_| invalid())?;
        let is_bare = matches!(url.path(), "" | "/") && !text.ends_with('/');
        let has_extras = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
        if !is_bare || has_extras || url.host_str().is_none_or(str::is_empty) {
            return Err(invalid());
        }
        // By the URL standard, extensions and the like have an opaque origin, but browsers send
        // scheme and host.
        let origin = if url.origin().is_tuple() {
            url.origin().ascii_serialization()
        } else {
            format!("{scheme}://{}", host.to_ascii_lowercase())
        };
        Ok(Self::Exact(origin))
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Missing => f.write_str("missing"),
            Self::Null => f.write_str("null"),
            Self::Scheme(scheme) => write!(f, "{scheme}://*"),
            Self::Exact(origin) => f.write_str(origin),
        }
    }
}

impl OriginRule {
    fn allows(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (Self::Missing, None) | (Self::Null, Some("null")) => true,
            (Self::Exact(exact), Some(origin)) => exact == origin,
            (Self::Scheme(scheme), Some(origin)) => {
                origin.strip_prefix(scheme.as_str()).is_some_and(|rest| rest.starts_with("://"))
            }
            _ => false,
        }
    }
}

/// The allowed values of `Origin`: those that any of these rules allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Origins(pub Vec<OriginRule>);

impl Origins {
    /// Every page, and requests without one.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![OriginRule::Any])
    }

    /// Whether a request with this header, or without it, is allowed.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>) -> bool {
        self.0.iter().any(|rule| rule.allows(origin))
    }

    /// Whether every header is allowed.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.contains(&OriginRule::Any)
    }

    /// Parses the texts of settings.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for the first invalid origin.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, InvalidOrigin> {
        texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Origins> for Vec<String> {
    fn from(Origins(rules): Origins) -> Self {
        rules.iter().map(ToString::to_string).collect()
    }
}

impl TryFrom<Vec<String>> for Origins {
    type Error = InvalidOrigin;

    fn try_from(texts: Vec<String>) -> Result<Self, InvalidOrigin> {
        Self::parse(&texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Origins {
        Origins::parse(texts).unwrap()
    }

    #[test]
    fn origins_are_read_as_browsers_send_them() {
        for (text, sent) in [
            ("https://Dapp.Example", "https://dapp.example"),
            ("https://dapp.example:443", "https://dapp.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
            ("chrome-extension://ABCdef", "chrome-extension://abcdef"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse(), Ok(OriginRule::Exact(sent.to_owned())), "{text}");
            assert!(origins(&[text]).allows(Some(sent)), "{text}");
        }
    }

    #[test]
    fn origins_that_no_browser_sends_are_refused() {
        for text in [
            "",
            "dapp.example",
            "https://",
            "https://dapp.example/",
            "https://dapp.example/app",
            "https://a@dapp.example",
            "https://dapp.example?x",
            "://host",
            "https:dapp",
            "**",
            "Missing",
            "1x://host",
            "https://exa mple",
        ] {
            let refused = text.parse::<OriginRule>();
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_rule_allows_what_it_names_and_nothing_else() {
        let listed = origins(&["https://dapp.example", "chrome-extension://*"]);
        for origin in ["https://dapp.example", "chrome-extension://abc"] {
            assert!(listed.allows(Some(origin)), "{origin}");
        }
        for origin in [
            Some("https://dapp.example.evil"),
            Some("https://evil.dapp.example"),
            Some("http://dapp.example"),
            Some("https://dapp.example:444"),
            Some("chrome-extensions://abc"),
            Some("null"),
            Some("missing"),
            Some("*"),
            None,
        ] {
            assert!(!listed.allows(origin), "{origin:?}");
        }
        assert!(origins(&["missing"]).allows(None) && !origins(&["missing"]).allows(Some("missing")));
        assert!(origins(&["null"]).allows(Some("null")) && !origins(&["null"]).allows(None));
        assert!(Origins::any().allows(None) && Origins::any().allows(Some("null")));
        assert!(!Origins::default().allows(None) && !Origins::default().allows(Some("https://dapp.example")));
    }

    #[test]
    fn they_survive_the_way_through_text() {
        let texts: Vec<String> =
            ["*", "missing", "null", "chrome-extension://*", "https://dapp.example"].map(str::to_owned).to_vec();
        assert_eq!(Vec::from(Origins::try_from(texts.clone()).unwrap()), texts);
    }
}
