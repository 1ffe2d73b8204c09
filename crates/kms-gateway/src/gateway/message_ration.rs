//! Rations the messages that each account signs. Each costs a call of the TEE and a row of the
//! audit that is never removed, and whoever holds a passkey of the account can ask for any number.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::AccountId;

use super::GatewayError;

/// Messages that an account may have signed in a burst.
const BURST: u64 = 20;
/// Seconds between two after the burst.
const INTERVAL: u64 = 6;
/// Entries of accounts that have their whole burst again are dropped when there are more than this.
const MAX_KEPT: usize = 4096;

/// The allowances of accounts that signed recently. A restart resets them.
#[derive(Default)]
pub(super) struct MessageRation(Mutex<HashMap<AccountId, Ration>>);

/// When the account has its whole burst again, in Unix seconds.
struct Ration {
    full_at: u64,
}

impl MessageRation {
    /// Takes one of the account's messages.
    ///
    /// # Errors
    /// [`GatewayError::MessageRationed`].
    pub(super) fn take(&self, account_id: &AccountId, now: u64) -> Result<(), GatewayError> {
        let mut rations = self.rations();
        if rations.len() >= MAX_KEPT {
            rations.retain(|_, ration| ration.full_at > now);
        }
        let ration = rations.entry(account_id.clone()).or_insert(Ration { full_at: now });
        // A time further ahead was taken before the clock was set back.
        let latest = now.saturating_add(BURST * INTERVAL);
        ration.full_at = ration.full_at.clamp(now, latest);
        match ration.full_at.saturating_add(INTERVAL) {
            full_at if full_at <= latest => ration.full_at = full_at,
            full_at => return Err(GatewayError::MessageRationed { retry_after_seconds: full_at - latest }),
        }
        Ok(())
    }

    /// Gives back one that was taken and that the TEE was not asked to sign.
    pub(super) fn give_back(&self, account_id: &AccountId) {
        if let Some(ration) = self.rations().get_mut(account_id) {
            ration.full_at = ration.full_at.saturating_sub(INTERVAL);
        }
    }

    /// No panic under the lock can leave the map inconsistent.
    fn rations(&self) -> MutexGuard<'_, HashMap<AccountId, Ration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> AccountId {
        name.parse().unwrap()
    }

    fn signed(ration: &MessageRation, name: &str, now: u64) -> usize {
        (0..100).take_while(|_| ration.take(&id(name), now).is_ok()).count()
    }

    #[test]
    fn each_account_has_a_burst_and_then_one_in_an_interval() {
        let ration = MessageRation::default();
        assert_eq!((signed(&ration, "alice", 1000), signed(&ration, "bob", 1000)), (20, 20));
        let refused = ration.take(&id("alice"), 1002);
        assert!(matches!(refused, Err(GatewayError::MessageRationed { retry_after_seconds: 4 })), "{refused:?}");
        assert_eq!((signed(&ration, "alice", 1005), signed(&ration, "alice", 1006)), (0, 1));
        assert_eq!((signed(&ration, "alice", 1017), signed(&ration, "alice", 1018)), (1, 1));
        assert_eq!(signed(&ration, "alice", 500_000), 20, "no more than the burst is saved up");
        assert_eq!(signed(&ration, "alice", 10), 0, "after the clock was set back");
        assert_eq!(signed(&ration, "alice", 16), 1, "and not for ever");
    }

    #[test]
    fn one_given_back_can_be_taken_again_and_no_more() {
        let ration = MessageRation::default();
        assert_eq!(signed(&ration, "alice", 1000), 20);
        ration.give_back(&id("alice"));
        ration.give_back(&id("bob"));
        assert_eq!((signed(&ration, "alice", 1000), signed(&ration, "bob", 1000)), (1, 20));
        let other = MessageRation::default();
        other.take(&id("alice"), 1000).unwrap();
        other.give_back(&id("alice"));
        assert_eq!(signed(&other, "alice", 1000), 20);
    }

    #[test]
    fn accounts_with_their_whole_burst_are_forgotten() {
        let ration = MessageRation::default();
        for number in 0..MAX_KEPT {
            ration.take(&id(&format!("account-{number}")), 1000).unwrap();
        }
        ration.take(&id("alice"), 1000 + INTERVAL).unwrap();
        assert_eq!(ration.rations().len(), 1);
    }
}
