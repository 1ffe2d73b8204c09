//! Origins of passkey ceremonies: pages of the relying party, and Android apps that its asset links
//! name.

use std::fmt;
use std::str::FromStr;

use proto::json::passkey::base64url;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

/// Prefix of the hash in the origin of an Android app.
const APP: &str = "android:apk-key-hash:";
/// Length of a SHA-256, in bytes.
const HASH_LENGTH: usize = 32;

/// An origin in the form of clientDataJSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// A page: scheme, host and port. No path, and no trailing slash.
    Page(Url),
    /// An Android app: `android:apk-key-hash:` and the SHA-256 of its signing certificate.
    App(Url),
}

/// No client would send such an origin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidOrigin {
    /// Neither a page's nor an app's.
    #[error(
        "{text} is not an origin: expected scheme, host and port without a path, as in https://example.org, or {APP} and \
         a hash"
    )]
    Unknown {
        /// The text found.
        text: String,
    },
    /// An app's, without the hash of a certificate.
    #[error(
        "{text}: after {APP} expected the SHA-256 of the app's signing certificate, as 43 characters of base64url \
         without padding"
    )]
    AppHash {
        /// The text found.
        text: String,
    },
}

impl Origin {
    /// The form that clients send.
    #[must_use]
    pub fn serialised(&self) -> String {
        match self {
            Self::Page(url) => url.origin().ascii_serialization(),
            Self::App(url) => url.as_str().to_owned(),
        }
    }

    /// Whether passkeys of that relying party can be used there, judging by the origin (WebAuthn
    /// Level 3, section 5.1.3). For apps, the domain's asset links decide, and the app's platform
    /// checks them.
    #[must_use]
    pub fn belongs_to(&self, rp_id: &str) -> bool {
        let Self::Page(url) = self else { return true };
        let host = url.domain().unwrap_or_default();
        host == rp_id || host.strip_suffix(rp_id).is_some_and(|subdomain| subdomain.ends_with('.'))
    }

    /// The origin of a page, for CORS headers. An app sends no `Origin`.
    pub(crate) fn of_page(&self) -> Option<String> {
        matches!(self, Self::Page(_)).then(|| self.serialised())
    }

    pub(crate) const fn url(&self) -> &Url {
        match self {
            Self::Page(url) | Self::App(url) => url,
        }
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let found = || text.chars().take(128).collect::<String>();
        let url = Url::parse(text).map_err(|_| InvalidOrigin::Unknown { text: found() })?;
        if let Some(hash) = text.strip_prefix(APP) {
            let is_hash = base64url::<HASH_LENGTH>(hash).is_ok_and(|hash| hash.len() == HASH_LENGTH);
            return is_hash.then_some(Self::App(url)).ok_or_else(|| InvalidOrigin::AppHash { text: found() });
        }
        // A path would be dropped silently.
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let has_login = !url.username().is_empty() || url.password().is_some();
        let is_page = matches!(url.scheme(), "http" | "https") && url.has_host() && is_bare && !has_login;
        is_page.then_some(Self::Page(url)).ok_or_else(|| InvalidOrigin::Unknown { text: found() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.serialised())
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.serialised()
    }
}
