//! The account's balance is high enough.

use proto::Wei;

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    required: Wei,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { required: settings.min_balance.into() }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let (required, balance) = (self.required, case.standing.ok_or(Violation::AccountUnlisted)?.balance);
        if balance >= required { Ok(()) } else { Err(Violation::BalanceTooLow { required, balance: Some(balance) }) }
    }
}
