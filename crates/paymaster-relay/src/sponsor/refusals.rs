//! How often the trusted application refused the approvals of an account. A passkey of one's own
//! signs any nonsense, and what is refused reserves nothing, so no other limit bounds the work that
//! it costs the TEE.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::AccountId;

use crate::error::RelayError;
use crate::recent::is_recent;

/// Accounts remembered at most. When they are all there, they are all forgotten: rare, and simpler
/// than choosing.
const MAX_ACCOUNTS: usize = 10_000;

/// Refusals of the recent past, in this process.
#[derive(Debug)]
pub(crate) struct Refusals {
    limit: u32,
    /// Seconds.
    period: u64,
    seen: Mutex<HashMap<AccountId, Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    since: u64,
    count: u32,
}

impl Refusals {
    /// At most `limit` within `period` seconds.
    pub(crate) fn new(limit: u32, period: u64) -> Self {
        Self { limit, period, seen: Mutex::default() }
    }

    /// Whether the account's next approval may be shown to the trusted application.
    ///
    /// # Errors
    /// [`RelayError::TooManyRefusals`] until the period is over.
    pub(crate) fn check(&self, account_id: &AccountId, now: u64) -> Result<(), RelayError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(account_id) {
            Some(seen) if seen.count >= self.limit && is_recent(seen.since, now, self.period) => {
                let until = Some(seen.since.saturating_add(self.period));
                Err(RelayError::TooManyRefusals { limit: self.limit, until })
            }
            _ => Ok(()),
        }
    }

    /// Counts a refusal.
    pub(crate) fn note(&self, account_id: &AccountId, now: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_ACCOUNTS {
            seen.clear();
        }
        let entry = seen.entry(account_id.clone()).or_insert(Seen { since: now, count: 0 });
        if !is_recent(entry.since, now, self.period) {
            *entry = Seen { since: now, count: 0 };
        }
        entry.count = entry.count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_that_began_while_the_clock_was_ahead_ends_when_the_clock_is_set_back() {
        let account_id: AccountId = "alice".parse().unwrap();
        let refusals = Refusals::new(2, 60);
        for _ in 0..2 {
            refusals.note(&account_id, 5000);
        }
        assert!(refusals.check(&account_id, 5059).is_err());
        assert!(refusals.check(&account_id, 5060).is_ok());
        assert!(refusals.check(&account_id, 1000).is_ok());

        refusals.note(&account_id, 1000);
        assert!(refusals.check(&account_id, 1001).is_ok(), "one refusal of the new period");
        refusals.note(&account_id, 1001);
        assert!(refusals.check(&account_id, 1002).is_err());
        assert!(refusals.check(&account_id, 1060).is_ok());
    }
}
