//! The factory that creates the account, or the contract it delegates to, is listed. A factory may
//! call anything, so a list of targets without a list of factories allows no factory.

use std::collections::HashSet;

use proto::{Address, Init};

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: HashSet<Address>,
    allows_any: bool,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self {
            listed: settings.factories.iter().copied().collect(),
            allows_any: settings.factories.is_empty() && settings.targets.is_empty(),
        }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let (Init::Factory { factory, .. } | Init::Eip7702 { delegate: factory, .. }) = &case.op.init else {
            return Ok(());
        };
        if self.allows_any || self.listed.contains(factory) {
            Ok(())
        } else {
            Err(Violation::FactoryNotAllowed { factory: *factory })
        }
    }
}
