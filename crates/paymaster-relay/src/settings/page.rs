//! Settings of the page that is served to browsers.

use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

use super::{Settings, SettingsError};

/// The page at the JSON-RPC port, which registers a passkey and sends a sponsored operation.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PageSettings {
    /// Whether it is served. Unset: in the development profile only. Whoever controls this node
    /// controls what the page asks passkeys to approve.
    pub enabled: Option<bool>,
    /// Where browsers reach the KMS. Unset: `listen.kms`, or the first of `remote_kms.urls`; in
    /// production it has to be set. The page's own origin has to be in `kms.origins`.
    #[schemars(with = "Option<String>")]
    pub kms_url: Option<Url>,
    /// Where browsers reach a node of the first chain. Public, so without a key in it. Unset: that
    /// chain's `rpc_url` if its host is this machine (`localhost`, `127.0.0.1`) and no user, path
    /// or query may be a key, otherwise none; in production it has to be set.
    #[schemars(with = "Option<String>")]
    pub node_url: Option<Url>,
}

impl PageSettings {
    /// The key of a URL without which the page is not served in production.
    #[must_use]
    pub fn missing_in_production(&self) -> Option<&'static str> {
        let urls = [("relay.page.kms_url", &self.kms_url), ("relay.page.node_url", &self.node_url)];
        urls.into_iter().find(|(_, url)| url.is_none()).map(|(key, _)| key)
    }

    /// Where browsers reach the KMS that the relay reaches at `url`, whose user and password are
    /// the relay's own.
    pub(crate) fn kms(&self, url: &str) -> Result<Url, SettingsError> {
        if let Some(public) = &self.kms_url {
            return Ok(public.clone());
        }
        let invalid = |problem: &str| SettingsError::Invalid { key: "page.kms_url", problem: problem.to_owned() };
        let mut url: Url = url.parse().map_err(|problem: url::ParseError| invalid(&problem.to_string()))?;
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map(|()| url).map_err(|()| invalid("must have a host"))
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        for (key, url) in [("page.kms_url", &self.kms_url), ("page.node_url", &self.node_url)] {
            let Some(url) = url else { continue };
            let problem = if !matches!(url.scheme(), "http" | "https") {
                "must be http: or https:"
            } else if !url.username().is_empty() || url.password().is_some() {
                "must have no user or password: it is public"
            } else {
                continue;
            };
            return Err(SettingsError::Invalid { key, problem: problem.to_owned() });
        }
        Ok(())
    }
}

impl Settings {
    /// Where the page reaches a node of the first chain.
    pub(crate) fn node_of_page(&self) -> Option<Url> {
        let own = || self.all_chains().first()?.url().ok().filter(is_public_on_this_machine);
        self.page.node_url.clone().or_else(own)
    }
}

/// Has no key of a provider's in it, nor one of a proxy on this machine.
fn is_public_on_this_machine(url: &Url) -> bool {
    let is_bare = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none();
    is_bare && is_of_this_machine(url)
}

fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_on_this_machine_is_told_to_browsers_unasked() {
        for (url, expected) in [
            ("http://127.0.0.1:8545", true),
            ("http://localhost:8545/secret", false),
            ("http://localhost:8545/?key=secret", false),
            ("http://user@localhost:8545", false),
            ("http://:secret@127.0.0.1:8545", false),
            ("http://[::1]:8545", true),
            ("https://mainnet.example/v3/secret", false),
            ("http://10.0.0.7:8545", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_public_on_this_machine(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn browsers_are_not_told_the_password_of_the_relay_at_the_kms() {
        let told = |page: &PageSettings| page.kms("https://relay:secret@kms.example/").unwrap().to_string();
        assert_eq!(told(&PageSettings::default()), "https://kms.example/");
        let public = serde_json::json!({ "kms_url": "https://public.example" });
        assert_eq!(told(&serde_json::from_value(public).unwrap()), "https://public.example/");
        assert!(PageSettings::default().kms("").is_err());
    }

    #[test]
    fn a_url_that_is_not_public_or_not_http_is_refused() {
        for (key, url) in [
            ("kms_url", "ftp://kms.example"),
            ("node_url", "ws://node.example"),
            ("node_url", "https://user@node.example"),
            ("kms_url", "https://:password@kms.example"),
        ] {
            let settings: PageSettings = serde_json::from_value(serde_json::json!({ key: url })).unwrap();
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("page.{key}: ")), "{error}");
        }
    }
}
