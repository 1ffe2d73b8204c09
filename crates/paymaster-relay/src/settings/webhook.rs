//! Settings of webhooks: servers of the operator that policies ask.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::error::SettingsError;
use super::http_url::http_url;

/// The most requests of one webhook at once.
const MOST_CALLS: usize = 1024;
/// The most repetitions of one request.
const MOST_RETRIES: u32 = 10;
/// Seconds: 30 days.
const MOST_DELIVERY: u64 = 30 * 24 * 60 * 60;
/// Milliseconds: shorter than any request may take.
const MOST_TIMEOUT: u64 = 20_000;

/// A webhook, which decides about sponsorships of the policies that name it, and is told what
/// became of them. Its requests are signed as the specification "Standard Webhooks" says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The name by which policies choose it (`policies.webhook`), and by which logs and metrics
    /// name it.
    pub name: String,
    /// Its URL, without user and password. In production `https:`, unless it is on this machine.
    /// Never logged.
    #[schemars(with = "String")]
    pub url: SecretString,
    /// The places of its secrets, each `whsec_` and 24 to 64 bytes in base64. Two while the secret
    /// is changed: every request is signed with both.
    pub secrets: Vec<SecretSettings>,
    /// Milliseconds that an answer may take, with all retries.
    #[serde(default = "timeout_milliseconds")]
    pub timeout_milliseconds: u64,
    /// Number of times that a request is repeated after an error of the connection or a status of
    /// 500 or more, within the same time.
    #[serde(default = "retries")]
    pub retries: u32,
    /// Number of requests at once. Previews, which anybody may cause, get at most half of it.
    #[serde(default = "max_calls")]
    pub max_calls: usize,
    /// What happens to an operation while the webhook gives no valid answer: `refuse` or `allow`.
    #[serde(default)]
    pub on_error: OnError,
    /// Seconds for which the relay tries to tell the webhook what became of a sponsorship: settled,
    /// released, or unknown. After that the event is dropped.
    #[serde(default = "deliver_for_seconds")]
    pub deliver_for_seconds: u64,
}

/// What happens to an operation while its webhook gives no valid answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It is refused, as retryable.
    #[default]
    Refuse,
    /// It is sponsored, if all other rules hold.
    Allow,
}

/// The place of a secret: one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretSettings {
    /// The file that holds it. A trailing line break is ignored.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub file: Option<PathBuf>,
    /// The environment variable that holds it.
    #[serde(default)]
    pub env: Option<String>,
}

/// The place of a secret.
pub(crate) enum SecretPlace<'a> {
    /// In this environment variable.
    Variable(&'a str),
    /// In this file.
    File(&'a Path),
}

impl SecretSettings {
    /// `None` if neither or both are named.
    pub(crate) fn place(&self) -> Option<SecretPlace<'_>> {
        match (&self.env, &self.file) {
            (Some(name), None) => Some(SecretPlace::Variable(name)),
            (None, Some(file)) => Some(SecretPlace::File(file)),
            _ => None,
        }
    }
}

impl WebhookSettings {
    /// The URL.
    pub(crate) fn url(&self) -> Result<Url, SettingsError> {
        signed_url(self.url.expose_secret()).map_err(|problem| self.invalid("webhooks.url", problem))
    }

    /// Whether nobody on the network can read or change its requests.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.url().is_ok_and(|url| is_confidential(&url))
    }

    /// An error in one of its keys.
    pub(crate) fn invalid(&self, key: &'static str, problem: impl std::fmt::Display) -> SettingsError {
        SettingsError::Invalid { key, problem: format!("webhook {:?}: {problem}", self.name) }
    }

    /// Checks its values; reads no secret.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if self.name.is_empty() || self.name.len() > 64 || !is_word(&self.name) {
            return Err(self.invalid("webhooks.name", "must be 1 to 64 letters, digits, - or _"));
        }
        self.url()?;
        check_secrets(&self.secrets).map_err(|problem| self.invalid("webhooks.secrets", problem))?;
        let numbers = [
            ("webhooks.timeout_milliseconds", self.timeout_milliseconds, 1, MOST_TIMEOUT),
            ("webhooks.retries", self.retries.into(), 0, MOST_RETRIES.into()),
            ("webhooks.max_calls", u64::try_from(self.max_calls).unwrap_or(u64::MAX), 2, MOST_CALLS as u64),
            ("webhooks.deliver_for_seconds", self.deliver_for_seconds, 60, MOST_DELIVERY),
        ];
        match numbers.into_iter().find(|(_, number, least, most)| !(*least..=*most).contains(number)) {
            Some((key, number, least, most)) => {
                Err(self.invalid(key, format!("is {number}, and must be from {least} to {most}")))
            }
            None => Ok(()),
        }
    }
}

/// The URL of a server to which requests are signed, or what is wrong with it.
pub(super) fn signed_url(text: &str) -> Result<Url, &'static str> {
    let url = http_url(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user or password: requests are signed");
    }
    Ok(url)
}

/// Checks the places of one secret, or of two.
pub(super) fn check_secrets(secrets: &[SecretSettings]) -> Result<(), &'static str> {
    if !(1..=2).contains(&secrets.len()) {
        return Err("one is needed, and two while it is changed");
    }
    match secrets.iter().all(|secret| secret.place().is_some()) {
        true => Ok(()),
        false => Err("each needs one of file and env"),
    }
}

/// Whether it is TLS, or this machine.
pub(super) fn is_confidential(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || is_here
}

fn timeout_milliseconds() -> u64 {
    2000
}

fn retries() -> u32 {
    2
}

fn max_calls() -> usize {
    32
}

fn deliver_for_seconds() -> u64 {
    3 * 24 * 60 * 60
}
