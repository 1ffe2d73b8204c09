//! How long sponsorships are valid.

use crate::settings::{ChainSettings, Settings, SettingsError};

/// Seconds a sponsorship is valid for.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// What has to be left of a window when the next block comes.
    pub least: u64,
    /// What is given, and the most a client may ask for.
    pub most: u64,
    /// The same without a passkey.
    pub most_unproven: u64,
    /// How long after the relay's approval a window may end: `maxWindow` of trusted application and
    /// contract.
    pub ceiling: u64,
    /// Within this the next block is expected.
    pub next_block: u64,
}

impl Validity {
    /// On that chain.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] where no window suits all that the settings ask of it.
    pub(super) fn on(chain: &ChainSettings, settings: &Settings) -> Result<Self, SettingsError> {
        let validity = Self {
            least: settings.min_validity_seconds,
            most: settings.validity_seconds,
            most_unproven: settings.reservations.unproven_validity_seconds.unwrap_or(settings.validity_seconds),
            ceiling: settings.max_window_seconds,
            next_block: chain.block_seconds,
        };
        let block_seconds = match chain.is_listed {
            false => "chain.block_seconds".to_owned(),
            true => format!("chains.block_seconds of chain {}", chain.chain_id),
        };
        if validity.least == 0 || validity.shortest() > validity.most {
            return Err(SettingsError::Invalid {
                key: "min_validity_seconds",
                problem: format!(
                    "must be above 0, and with {block_seconds} ({}) not above validity_seconds ({})",
                    validity.next_block, validity.most
                ),
            });
        }
        if validity.most > validity.ceiling {
            return Err(SettingsError::Invalid {
                key: "validity_seconds",
                problem: format!("must not be above max_window_seconds ({})", validity.ceiling),
            });
        }
        if !(validity.shortest()..=validity.most).contains(&validity.most_unproven) {
            return Err(SettingsError::Invalid {
                key: "reservations.unproven_validity_seconds",
                problem: format!(
                    "must be from min_validity_seconds and {block_seconds} together ({}) to validity_seconds ({})",
                    validity.shortest(),
                    validity.most
                ),
            });
        }
        Ok(validity)
    }

    /// That of a request which a passkey approved, or not.
    #[must_use]
    pub(crate) fn of(self, is_proven: bool) -> Self {
        let most = if is_proven { self.most } else { self.most.min(self.most_unproven) };
        Self { most, ..self }
    }

    /// The least a client may ask for.
    #[must_use]
    pub fn shortest(&self) -> u64 {
        self.least.saturating_add(self.next_block)
    }

    /// Unix seconds that a window has to reach, when it is `now` at the latest.
    #[must_use]
    pub(crate) fn needed(&self, now: u64) -> u64 {
        now.saturating_add(self.shortest())
    }
}
