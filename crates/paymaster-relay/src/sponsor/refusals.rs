//! How often the trusted application refused the approvals of an account. A passkey of one's own signs any nonsense, and what
//! is refused reserves nothing, so no other limit bounds the work that it costs the TEE.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::AccountId;

use crate::error::RelayError;

/// Accounts remembered at most. When they are all there, they are all forgotten: rare, and simpler than choosing.
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
            Some(seen) if seen.count >= self.limit && now < seen.since.saturating_add(self.period) => {
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
        if now >= entry.since.saturating_add(self.period) {
            *entry = Seen { since: now, count: 0 };
        }
        entry.count = entry.count.saturating_add(1);
    }
}
