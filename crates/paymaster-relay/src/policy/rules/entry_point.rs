//! The EntryPoint has a listed version, if there is a list.

use proto::EntryPointVersion;

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: Vec<EntryPointVersion>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { listed: settings.entry_point_versions.clone() }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let version = case.version;
        if self.listed.is_empty() || self.listed.contains(&version) {
            Ok(())
        } else {
            Err(Violation::EntryPointVersionNotAllowed { version })
        }
    }
}
