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
        let named = match case.op.init {
            Init::Factory { factory, .. } | Init::Eip7702 { delegate: factory, .. } => Some(factory),
            Init::Deployed => None,
        };
        match named.into_iter().chain(case.delegate).find(|factory| !self.listed.contains(factory)) {
            Some(factory) if !self.allows_any => Err(Violation::FactoryNotAllowed { factory }),
            Some(_) | None => Ok(()),
        }
    }
}
