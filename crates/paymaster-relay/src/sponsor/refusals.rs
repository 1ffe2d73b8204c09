//! The trusted application's refusals of each account's approvals. A passkey's owner can sign
//! arbitrary data, and a refused request reserves nothing, so no other limit bounds this work of
//! the TEE. A repeated approval is refused from memory: otherwise the holder of a single invalid
//! approval, made for example on a page of another origin, could use up the account's limit with
//! it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::{AccountId, Hash, Status};

use crate::error::RelayError;
use crate::kms::KmsError;
use crate::recent::is_recent;

/// Maximum number of accounts. If it is reached, all are dropped: that is rare, and simpler than an
/// eviction policy.
const MAX_ACCOUNTS: usize = 10_000;

/// Recent refusals, in this process.
#[derive(Debug)]
pub(crate) struct Refusals {
    limit: u32,
    /// Length of the period in seconds.
    period: u64,
    seen: Mutex<HashMap<AccountId, Seen>>,
}

/// At most `limit` refusals: after that nothing is sent to the trusted application.
#[derive(Clone, Debug)]
struct Seen {
    since: u64,
    /// The statuses, by the hash that the passkey signed.
    refused: HashMap<Hash, Status>,
}

impl Refusals {
    /// At most `limit` refusals within `period` seconds.
    pub(crate) fn new(limit: u32, period: u64) -> Self {
        Self { limit, period, seen: Mutex::default() }
    }

    /// Whether the account's next approval may be sent to the trusted application.
    ///
    /// # Errors
    /// [`RelayError::TooManyRefusals`] until the period is over.
    pub(crate) fn check(&self, account_id: &AccountId, now: u64) -> Result<(), RelayError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(account_id) {
            Some(seen) if self.is_used_up(seen) && is_recent(seen.since, now, self.period) => {
                let until = Some(seen.since.saturating_add(self.period));
                Err(RelayError::TooManyRefusals { limit: self.limit, until })
            }
            _ => Ok(()),
        }
    }

    /// The same for this approval.
    ///
    /// # Errors
    /// [`RelayError::KmsRefused`] as before if it was refused in this period;
    /// [`RelayError::TooManyRefusals`].
    pub(crate) fn check_approval(&self, account_id: &AccountId, signed: &Hash, now: u64) -> Result<(), RelayError> {
        let before = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let recent = seen.get(account_id).filter(|seen| is_recent(seen.since, now, self.period));
            recent.and_then(|seen| seen.refused.get(signed).copied())
        };
        match before {
            Some(status) => Err(KmsError::from_status(status).into()),
            None => self.check(account_id, now),
        }
    }

    /// Counts a refusal of the hash that the passkey signed.
    pub(crate) fn note(&self, account_id: &AccountId, signed: Hash, status: Status, now: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_ACCOUNTS {
            seen.clear();
        }
        let begun = || Seen { since: now, refused: HashMap::new() };
        let entry = seen.entry(account_id.clone()).or_insert_with(begun);
        if !is_recent(entry.since, now, self.period) {
            *entry = begun();
        }
        // Concurrent requests may exceed the limit.
        if !self.is_used_up(entry) {
            entry.refused.insert(signed, status);
        }
    }

    fn is_used_up(&self, seen: &Seen) -> bool {
        u32::try_from(seen.refused.len()).is_ok_and(|count| count >= self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHY: Status = Status::OriginNotAllowed;

    #[test]
    fn a_period_that_began_while_the_clock_was_ahead_ends_when_the_clock_is_set_back() {
        let account_id: AccountId = "alice".parse().unwrap();
        let refusals = Refusals::new(2, 60);
        for approval in 0..2 {
            refusals.note(&account_id, Hash([approval; 32]), WHY, 5000);
        }
        assert!(refusals.check(&account_id, 5059).is_err());
        assert!(refusals.check(&account_id, 5060).is_ok());
        assert!(refusals.check(&account_id, 1000).is_ok());

        refusals.note(&account_id, Hash([3; 32]), WHY, 1000);
        assert!(refusals.check(&account_id, 1001).is_ok(), "one refusal of the new period");
        refusals.note(&account_id, Hash([4; 32]), WHY, 1001);
        assert!(refusals.check(&account_id, 1002).is_err());
        assert!(refusals.check(&account_id, 1060).is_ok());
    }

    #[test]
    fn an_approval_that_was_refused_before_counts_once_and_is_refused_for_the_same_reason() {
        let account_id: AccountId = "alice".parse().unwrap();
        let refusals = Refusals::new(2, 60);
        let (refused, other) = (Hash([1; 32]), Hash([2; 32]));
        for _ in 0..3 {
            refusals.note(&account_id, refused, WHY, 100);
            let why = refusals.check_approval(&account_id, &refused, 101).unwrap_err();
            assert!(why.is_kms_refusal(WHY), "{why:?}");
        }
        assert!(refusals.check_approval(&account_id, &other, 101).is_ok());
        refusals.note(&account_id, other, WHY, 101);
        let third = refusals.check_approval(&account_id, &Hash([3; 32]), 102).unwrap_err();
        assert!(matches!(third, RelayError::TooManyRefusals { limit: 2, .. }), "{third:?}");
        assert!(refusals.check_approval(&account_id, &refused, 102).unwrap_err().is_kms_refusal(WHY));
        assert!(refusals.check_approval(&account_id, &refused, 160).is_ok(), "it is sent again in the next period");
    }
}
