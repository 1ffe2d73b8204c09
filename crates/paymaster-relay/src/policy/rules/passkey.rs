//! A passkey of the account approved the operation, if the policy requires one.

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    is_required: bool,
}

impl Rule {
    pub(super) const fn of(settings: &PolicySettings) -> Self {
        Self { is_required: !settings.allow_without_passkey }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        if case.proven || !self.is_required { Ok(()) } else { Err(Violation::PasskeyMissing) }
    }
}
