//! Which keys the paymaster contracts admitted a short time ago.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::Address;

use crate::recent::is_recent;

/// Seconds that a contract's yes will do. A no is asked again: the owner may have activated the key
/// since.
const FRESH: u64 = 30;
/// Answers that are remembered. Beyond that all are forgotten, and asked for again.
const MAX_ANSWERS: usize = 256;

/// Paymaster and key of each yes, and when it was said in Unix seconds.
#[derive(Default)]
pub(super) struct Admitted(Mutex<HashMap<(Address, Address), u64>>);

impl Admitted {
    pub(super) fn is_fresh(&self, paymaster: Address, signer: Address, now: u64) -> bool {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(paymaster, signer)).is_some_and(|said| is_recent(*said, now, FRESH))
    }

    pub(super) fn note(&self, paymaster: Address, signer: Address, admitted: bool, now: u64) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !admitted {
            answers.remove(&(paymaster, signer));
            return;
        }
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.insert((paymaster, signer), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_good_for_half_a_minute_and_ends_with_a_no() {
        let (paymaster, signer) = (Address([1; 20]), Address([2; 20]));
        let admitted = Admitted::default();
        assert!(!admitted.is_fresh(paymaster, signer, 100));
        admitted.note(paymaster, signer, true, 100);
        assert!(admitted.is_fresh(paymaster, signer, 129) && !admitted.is_fresh(paymaster, signer, 130));
        assert!(!admitted.is_fresh(signer, paymaster, 100));
        admitted.note(paymaster, signer, false, 101);
        assert!(!admitted.is_fresh(paymaster, signer, 101));
    }

    #[test]
    fn a_yes_that_was_said_while_the_clock_was_ahead_is_not_fresh_when_the_clock_is_set_back() {
        let (paymaster, signer) = (Address([1; 20]), Address([2; 20]));
        let admitted = Admitted::default();
        admitted.note(paymaster, signer, true, 5000);
        assert!(admitted.is_fresh(paymaster, signer, 5000));
        assert!(!admitted.is_fresh(paymaster, signer, 4999) && !admitted.is_fresh(paymaster, signer, 100));
    }
}
