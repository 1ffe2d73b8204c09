//! Which settings make no sense: told when they are read, before anything is opened.

use std::time::Duration;

use proto::limits::MAX_BATCH;
use secrecy::ExposeSecret;
use serve::TrustedProxies;
use thiserror::Error;
use url::Url;

use super::{FactorySettings, Settings};
use crate::api_keys::ApiKeys;
use crate::ceremony;

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct InvalidSettings {
    /// As in the configuration, under `kms`.
    pub key: &'static str,
    /// What is wrong, for people.
    pub problem: String,
}

impl InvalidSettings {
    pub(crate) fn new(key: &'static str, problem: impl ToString) -> Self {
        Self { key, problem: problem.to_string() }
    }
}

impl Settings {
    /// Holds the settings against each other; asks nobody anything.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        let timeout = Duration::from_secs(self.tee_timeout_seconds);
        let stuck = Duration::from_millis(self.tee_stuck_after_ms);
        let hung = Duration::from_secs(self.tee_hung_after_seconds);
        let rules = [
            ("tee_queue_length", self.tee_queue_length > 0, "must be above 0"),
            ("tee_timeout_seconds", !timeout.is_zero(), "must be above 0"),
            ("tee_stuck_after_ms", !stuck.is_zero(), "must be above 0"),
            ("tee_stuck_after_ms", stuck < timeout, "must be less than tee_timeout_seconds"),
            ("tee_hung_after_seconds", hung > stuck, "must be more than tee_stuck_after_ms"),
            ("attestation_interval_ms", self.attestation_interval_ms > 0, "must be above 0"),
            ("rotation_interval_seconds", self.rotation_interval_seconds > 0, "must be above 0"),
            ("max_registrations", self.max_registrations > 0, "must be above 0"),
            ("accounts_per_hour", self.accounts_per_hour > 0, "must be above 0"),
            (
                "factory.timeout_seconds",
                self.factory.as_ref().is_none_or(|factory| factory.timeout_seconds > 0),
                "must be above 0",
            ),
        ];
        if let Some((key, _, problem)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(InvalidSettings::new(key, problem));
        }
        if !(1..=MAX_BATCH).contains(&self.tee_batch_length) {
            return Err(InvalidSettings::new("tee_batch_length", format!("must be from 1 to {MAX_BATCH}")));
        }
        self.factory.as_ref().map(FactorySettings::url).transpose()?;
        self.proxies()?;
        ApiKeys::new(&self.api_keys)?;
        ceremony::webauthn(self)?;
        self.relying_party().map_err(|problem| InvalidSettings::new("origins", problem))?;
        Ok(())
    }

    /// The proxies whose `X-Forwarded-For` is believed.
    pub(crate) fn proxies(&self) -> Result<TrustedProxies, InvalidSettings> {
        let invalid = |problem| InvalidSettings::new("trusted_proxies", problem);
        TrustedProxies::parse(&self.trusted_proxies).map_err(invalid)
    }
}

impl FactorySettings {
    pub(crate) fn url(&self) -> Result<Url, InvalidSettings> {
        let invalid = |problem: &str| InvalidSettings::new("factory.rpc_url", problem);
        let url: Url = self.rpc_url.expose_secret().parse().map_err(|_| invalid("not a URL"))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(invalid("must be http: or https:")),
        }
    }
}
