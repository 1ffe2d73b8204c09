//! The keys that the paymaster contracts recently admitted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::Address;

use crate::deployment::Deployment;
use crate::recent::is_recent;

/// Seconds for which a contract's positive answer is reused. A negative one is not: the owner may
/// have activated the key since.
const FRESH: u64 = 30;
/// Maximum number of cached answers. Beyond that all are dropped, and queried again.
const MAX_ANSWERS: usize = 256;

/// Deployment and key of each positive answer, with its time in Unix seconds.
#[derive(Default)]
pub(super) struct Admitted(Mutex<HashMap<(Deployment, Address), u64>>);

impl Admitted {
    pub(super) fn is_fresh(&self, deployment: &Deployment, signer: Address, now: u64) -> bool {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(*deployment, signer)).is_some_and(|said| is_recent(*said, now, FRESH))
    }

    pub(super) fn note(&self, deployment: &Deployment, signer: Address, admitted: bool, now: u64) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !admitted {
            answers.remove(&(*deployment, signer));
            return;
        }
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.insert((*deployment, signer), now);
    }
}

#[cfg(test)]
mod tests {
    use proto::{EntryPoint, EntryPointVersion};

    use super::*;

    fn deployment(chain_id: u64) -> Deployment {
        Deployment {
            entry_point: EntryPoint { chain_id, address: Address([7; 20]), version: EntryPointVersion::V07 },
            paymaster: Address([1; 20]),
            verification_gas_limit: 0,
            min_verification_gas_limit: 0,
        }
    }

    #[test]
    fn a_yes_is_good_for_half_a_minute_and_ends_with_a_no() {
        let (here, signer) = (deployment(1), Address([2; 20]));
        let admitted = Admitted::default();
        assert!(!admitted.is_fresh(&here, signer, 100));
        admitted.note(&here, signer, true, 100);
        assert!(admitted.is_fresh(&here, signer, 129) && !admitted.is_fresh(&here, signer, 130));
        assert!(!admitted.is_fresh(&deployment(2), signer, 100), "the same contracts on another chain");
        admitted.note(&here, signer, false, 101);
        assert!(!admitted.is_fresh(&here, signer, 101));
    }

    #[test]
    fn a_yes_that_was_said_while_the_clock_was_ahead_is_not_fresh_when_the_clock_is_set_back() {
        let (here, signer) = (deployment(1), Address([2; 20]));
        let admitted = Admitted::default();
        admitted.note(&here, signer, true, 5000);
        assert!(admitted.is_fresh(&here, signer, 5000));
        assert!(!admitted.is_fresh(&here, signer, 4999) && !admitted.is_fresh(&here, signer, 100));
    }
}
