//! The policy has started, and the sponsorship ends before it does.

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    not_before: Option<u64>,
    not_after: Option<u64>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { not_before: settings.not_before.map(|time| time.0), not_after: settings.not_after.map(|time| time.0) }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        match (self.not_before, self.not_after) {
            (Some(not_before), _) if case.now < not_before => Err(Violation::PolicyNotStarted { not_before }),
            (_, Some(not_after)) if case.until > not_after => Err(Violation::PolicyEnded { not_after }),
            _ => Ok(()),
        }
    }
}
