//! Which settings make no sense: told when they are read, before anything is opened.

use std::path::{Path, PathBuf};

use redis::Client;
use secrecy::ExposeSecret;
use serve::TrustedProxies;
use url::Url;

use super::{ChainSettings, RedisSettings, RelayKeySettings, RpcSettings, Settings, SettingsError};
use crate::catalogue::Catalogue;
use crate::clients::{Origins, check_hashes};

/// Where a passphrase is.
pub(crate) enum PassphrasePlace<'a> {
    /// In this environment variable.
    Variable(&'a str),
    /// In this file.
    File(&'a Path),
}

impl Settings {
    /// Where the admin socket is.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.admin_socket.clone().unwrap_or_else(|| self.database.with_file_name("admin.sock"))
    }

    /// Holds the settings against each other; asks nobody anything.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn check(&self) -> Result<(), SettingsError> {
        let numbers = [
            ("chain.timeout_seconds", self.chain.timeout_seconds),
            ("max_signings", self.max_signings.into()),
            ("max_refusals", self.max_refusals.into()),
            ("settlement_interval_seconds", self.settlement_interval_seconds),
            ("rpc.max_body_bytes", self.rpc.max_body_bytes.into()),
            ("rpc.max_connections", self.rpc.max_connections.into()),
            ("redis.timeout_milliseconds", self.redis.as_ref().map_or(1, |redis| redis.timeout_milliseconds)),
        ];
        if let Some((key, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(SettingsError::Invalid { key, problem: "must be above 0".to_owned() });
        }
        self.chain.url()?;
        if let Some(redis) = &self.redis {
            redis.client()?;
        }
        if self.relay_key.passphrase_place().is_none() {
            let problem = "one of passphrase_env and passphrase_file is needed".to_owned();
            return Err(SettingsError::Invalid { key: "relay_key", problem });
        }
        check_hashes(&self.rpc.api_key_hashes)?;
        self.rpc.origins()?;
        self.rpc.proxies()?;
        Catalogue::new(self)?;
        Ok(())
    }
}

impl RpcSettings {
    /// The origins whose pages may call.
    pub(crate) fn origins(&self) -> Result<Origins, SettingsError> {
        const KEY: &str = "rpc.allowed_origins";
        let texts = self.allowed_origins.as_deref().unwrap_or_default();
        let invalid = |problem: String| SettingsError::Invalid { key: KEY, problem };
        if texts.iter().any(|text| text == "missing") {
            return Err(invalid("\"missing\" is for publishable keys: who is no page is not asked here".to_owned()));
        }
        Origins::parse(texts).map_err(|problem| invalid(problem.to_string()))
    }

    /// The proxies whose `X-Forwarded-For` is believed.
    pub(crate) fn proxies(&self) -> Result<TrustedProxies, SettingsError> {
        let invalid = |problem: String| SettingsError::Invalid { key: "rpc.trusted_proxies", problem };
        TrustedProxies::parse(&self.trusted_proxies).map_err(|problem| invalid(problem.to_string()))
    }
}

impl ChainSettings {
    pub(crate) fn url(&self) -> Result<Url, SettingsError> {
        let invalid = |problem: &str| SettingsError::Invalid { key: "chain.rpc_url", problem: problem.to_owned() };
        let url: Url = self.rpc_url.expose_secret().parse().map_err(|_| invalid("not a URL"))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(invalid("must be http: or https:")),
        }
    }
}

impl RedisSettings {
    /// Connects to nothing yet.
    pub(crate) fn client(&self) -> Result<Client, SettingsError> {
        let problem = "not of the form redis://[user:password@]host:port[/database]";
        Client::open(self.url.expose_secret())
            .map_err(|_| SettingsError::Invalid { key: "redis.url", problem: problem.to_owned() })
    }
}

impl RelayKeySettings {
    /// `None` where neither or both are named.
    pub(crate) fn passphrase_place(&self) -> Option<PassphrasePlace<'_>> {
        match (&self.passphrase_env, &self.passphrase_file) {
            (Some(name), None) => Some(PassphrasePlace::Variable(name)),
            (None, Some(file)) => Some(PassphrasePlace::File(file)),
            _ => None,
        }
    }
}
