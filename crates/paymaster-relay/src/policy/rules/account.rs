//! The account is listed, or there is a default, and it is active.

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule;

impl Rule {
    pub(super) const fn of(_: &PolicySettings) -> Self {
        Self
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        match case.standing {
            None => Err(Violation::AccountUnlisted),
            Some(standing) if !standing.active => Err(Violation::AccountInactive),
            Some(_) => Ok(()),
        }
    }
}
