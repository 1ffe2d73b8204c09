//! Accounts that the TEE does not have, cached for a few seconds: repeated lookups cost one call to
//! the TEE.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::AccountId;

/// Seconds. Another gateway of the same TEE may have created the account since.
const KEPT_FOR: u64 = 5;
/// If the limit is reached, all are dropped: that is rare, and simpler than an eviction policy.
const MAX_KEPT: usize = 4096;

/// Accounts that did not exist a moment ago.
#[derive(Default)]
pub(super) struct UnknownAccounts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Incremented by every created account, so that an answer from before is not cached after it.
    generation: u64,
    /// Unix seconds of the query to the TEE.
    asked_at: HashMap<AccountId, u64>,
}

impl UnknownAccounts {
    /// Called before the TEE is queried: answers from before a later creation are ignored.
    pub(super) fn generation(&self) -> u64 {
        self.kept().generation
    }

    pub(super) fn contains(&self, account_id: &AccountId, now: u64) -> bool {
        // A time in the future was taken before the clock was set back.
        self.kept().asked_at.get(account_id).is_some_and(|at| *at <= now && now - *at < KEPT_FOR)
    }

    /// Records the TEE's answer to a query made in that generation.
    pub(super) fn insert(&self, account_id: AccountId, generation: u64, now: u64) {
        let mut kept = self.kept();
        if kept.generation != generation {
            return;
        }
        if kept.asked_at.len() >= MAX_KEPT {
            kept.asked_at.clear();
        }
        kept.asked_at.insert(account_id, now);
    }

    /// Called when the TEE was asked to create it.
    pub(super) fn remove(&self, account_id: &AccountId) {
        let mut kept = self.kept();
        kept.generation = kept.generation.wrapping_add(1);
        kept.asked_at.remove(account_id);
    }

    /// A panic elsewhere leaves the map consistent.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> AccountId {
        format!("account-{number}").parse().unwrap()
    }

    #[test]
    fn an_account_is_unknown_for_a_few_seconds_and_until_it_is_made() {
        let unknown = UnknownAccounts::default();
        unknown.insert(id(0), unknown.generation(), 100);
        assert!(unknown.contains(&id(0), 100) && unknown.contains(&id(0), 100 + KEPT_FOR - 1));
        assert!(
            !unknown.contains(&id(0), 100 + KEPT_FOR)
                && !unknown.contains(&id(0), 99)
                && !unknown.contains(&id(1), 100)
        );
        let before = unknown.generation();
        unknown.remove(&id(0));
        assert!(!unknown.contains(&id(0), 100));
        unknown.insert(id(0), before, 100);
        assert!(!unknown.contains(&id(0), 100), "it may be made by now");
    }

    #[test]
    fn invented_ids_are_kept_up_to_a_limit() {
        let unknown = UnknownAccounts::default();
        for number in 0..3 * MAX_KEPT {
            unknown.insert(id(number), 0, 100);
            assert!(unknown.kept().asked_at.len() <= MAX_KEPT);
        }
    }
}
