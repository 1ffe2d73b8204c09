//! The worst-case cost is within the limit.

use proto::Wei;

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    limit: Wei,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { limit: settings.max_cost_per_operation.into() }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let (limit, cost) = (self.limit, case.cost);
        if cost <= limit { Ok(()) } else { Err(Violation::CostAboveLimit { limit, cost }) }
    }
}
