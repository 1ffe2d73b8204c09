//! The sender is listed, if there is a list.

use std::collections::HashSet;

use proto::Address;

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: HashSet<Address>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { listed: settings.senders.iter().copied().collect() }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let sender = case.op.sender;
        if self.listed.is_empty() || self.listed.contains(&sender) {
            Ok(())
        } else {
            Err(Violation::SenderNotAllowed { sender })
        }
    }
}
