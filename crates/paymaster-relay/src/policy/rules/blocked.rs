//! The sender is not blocked.

use std::collections::HashSet;

use proto::Address;

use super::{Case, Violation};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    blocked: HashSet<Address>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        Self { blocked: settings.blocked_senders.iter().copied().collect() }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let sender = case.op.sender;
        if self.blocked.contains(&sender) { Err(Violation::SenderBlocked { sender }) } else { Ok(()) }
    }
}
