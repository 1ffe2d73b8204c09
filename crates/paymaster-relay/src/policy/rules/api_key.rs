//! The request has a listed API key, if there is a list.

use std::collections::HashSet;

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: HashSet<String>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { listed: settings.api_keys.iter().cloned().collect() }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let is_listed = case.api_key.is_some_and(|key| self.listed.contains(key.as_str()));
        if self.listed.is_empty() || is_listed { Ok(()) } else { Err(Violation::ApiKeyNotAllowed) }
    }
}
