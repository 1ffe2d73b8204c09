//! Validates settings when they are read, before anything is opened.

use std::time::Duration;

use proto::limits::MAX_BATCH;

use crate::api_keys::ApiKeys;
use crate::ceremony;
use crate::settings::{FactorySettings, InvalidSettings, Settings};

impl Settings {
    /// Checks the settings for consistency; makes no requests.
    ///
    /// # Errors
    /// The first invalid setting.
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
}
