//! The validity of sponsorships.

use crate::settings::{ChainSettings, Settings, SettingsError};

/// The validity of a sponsorship, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// The minimum that must be left of a window when the next block arrives.
    pub least: u64,
    /// The default, and the maximum a client may request.
    pub most: u64,
    /// The same without a passkey.
    pub most_unproven: u64,
    /// Maximum time from the relay's approval to the end of a window: `maxWindow` of trusted
    /// application and contract.
    pub ceiling: u64,
    /// The time within which the next block is expected.
    pub next_block: u64,
    /// Unix seconds: the latest end of a window.
    pub last: u64,
}

impl Validity {
    /// The validity on that chain.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] if no window satisfies all settings.
    pub(super) fn on(chain: &ChainSettings, settings: &Settings) -> Result<Self, SettingsError> {
        let validity = Self {
            least: settings.min_validity_seconds,
            most: settings.validity_seconds,
            most_unproven: settings.reservations.unproven_validity_seconds.unwrap_or(settings.validity_seconds),
            ceiling: settings.max_window_seconds,
            next_block: chain.block_seconds,
            last: u64::MAX,
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

    /// The validity for a request with or without a passkey's approval.
    #[must_use]
    pub(crate) fn of(self, is_proven: bool) -> Self {
        let most = if is_proven { self.most } else { self.most.min(self.most_unproven) };
        Self { most, ..self }
    }

    /// The validity under a policy with these limits: seconds, and Unix seconds of its end.
    #[must_use]
    pub(crate) fn limited(self, most: Option<u64>, last: Option<u64>) -> Self {
        Self { most: self.most.min(most.unwrap_or(u64::MAX)), last: self.last.min(last.unwrap_or(u64::MAX)), ..self }
    }

    /// The minimum a client may request.
    #[must_use]
    pub fn shortest(&self) -> u64 {
        self.least.saturating_add(self.next_block)
    }

    /// The minimum end of a window in Unix seconds, if it is at most `now`.
    #[must_use]
    pub(crate) fn needed(&self, now: u64) -> u64 {
        now.saturating_add(self.shortest())
    }
}
