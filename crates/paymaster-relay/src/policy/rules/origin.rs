//! The request comes from a page at a listed origin, if there is a list. A browser says the truth
//! about a page; any other client may send what it likes.

use proto::json::Excerpt;

use super::{Case, Violation};
use crate::clients::Origins;
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: Option<Origins>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        // One that does not parse is refused with the settings, and allows nothing here.
        let origins = settings.origins.iter().filter_map(|text| text.parse().ok());
        Self { listed: (!settings.origins.is_empty()).then(|| Origins(origins.collect())) }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        match &self.listed {
            Some(listed) if !listed.allows(case.origin) => {
                Err(Violation::OriginNotAllowed { origin: case.origin.map(|origin| Excerpt(origin).to_string()) })
            }
            Some(_) | None => Ok(()),
        }
    }
}
