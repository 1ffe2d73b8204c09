//! Which settings make no sense: told when they are read, before anything is opened.

use std::path::Path;

use secrecy::ExposeSecret;
use url::Url;

use super::{ChainSettings, RelayKeySettings, Settings, SettingsError};
use crate::catalogue::Catalogue;
use crate::rpc::ApiKeys;

/// Where a passphrase is.
pub(crate) enum PassphrasePlace<'a> {
    /// In this environment variable.
    Variable(&'a str),
    /// In this file.
    File(&'a Path),
}

impl Settings {
    /// Holds the settings against each other; asks nobody anything.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn check(&self) -> Result<(), SettingsError> {
        let numbers = [
            ("chain.timeout_seconds", self.chain.timeout_seconds),
            ("settlement_interval_seconds", self.settlement_interval_seconds),
            ("rpc.max_body_bytes", self.rpc.max_body_bytes.into()),
            ("rpc.max_connections", self.rpc.max_connections.into()),
            ("redis.timeout_milliseconds", self.redis.as_ref().map_or(1, |redis| redis.timeout_milliseconds)),
        ];
        if let Some((key, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(SettingsError::Invalid { key, problem: "must be above 0".to_owned() });
        }
        self.chain.url()?;
        if self.relay_key.passphrase_place().is_none() {
            let problem = "one of passphrase_env and passphrase_file is needed".to_owned();
            return Err(SettingsError::Invalid { key: "relay_key", problem });
        }
        ApiKeys::new(&self.rpc.api_key_hashes)?;
        Catalogue::new(self)?;
        Ok(())
    }
}

impl ChainSettings {
    pub(crate) fn url(&self) -> Result<Url, SettingsError> {
        let url = self.rpc_url.expose_secret().parse();
        url.map_err(|_| SettingsError::Invalid { key: "chain.rpc_url", problem: "not a URL".to_owned() })
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
