//! The account's membership is high enough.

use super::{Case, Violation};
use crate::settings::{Membership, PolicySettings};

#[derive(Clone, Debug)]
pub(super) struct Rule {
    required: Membership,
}

impl Rule {
    pub(super) const fn of(settings: &PolicySettings) -> Self {
        Self { required: settings.min_membership }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let (required, membership) = (self.required, case.standing.ok_or(Violation::AccountUnlisted)?.membership);
        if membership >= required {
            return Ok(());
        }
        Err(Violation::MembershipTooLow { required, membership: Some(membership) })
    }
}
