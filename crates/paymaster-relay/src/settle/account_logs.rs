//! What has been read of the logs of single accounts, kept from one round to the next.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::{Address, Uint256};

use crate::chain::AccountOp;

/// Maximum number of blocks in one question.
const MOST_AT_ONCE: u64 = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AccountLogs {
    width: Mutex<Width>,
    unfinished: Mutex<HashMap<Account, Reading>>,
}

/// An account at an EntryPoint, which has nonces and logs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Account {
    pub(super) entry_point: Address,
    pub(super) sender: Address,
}

/// How many blocks the node takes in one question.
#[derive(Debug)]
struct Width {
    /// In the next question.
    at_once: u64,
    /// In the longest one that was answered, as long as no shorter one is refused.
    answered: u64,
}

/// The logs of one account, as far as they were read.
#[derive(Debug)]
pub(super) struct Reading {
    /// The block where reading began.
    first: u64,
    /// The next block to read.
    pub(super) next: u64,
    /// The account's operations by nonce.
    pub(super) mined: HashMap<Uint256, AccountOp>,
    /// Rounds in which the logs of that block were refused.
    pub(super) refused: u32,
}

impl Default for Width {
    fn default() -> Self {
        Self { at_once: MOST_AT_ONCE, answered: 1 }
    }
}

impl AccountLogs {
    /// Maximum number of blocks in the next question.
    pub(super) fn at_once(&self) -> u64 {
        self.width().at_once
    }

    /// A question about these blocks was answered.
    pub(super) fn note_answered(&self, from: u64, to: u64) {
        let mut width = self.width();
        width.answered = width.answered.max(to - from + 1);
    }

    /// A question about these blocks was refused, or too slow: the next one asks for fewer.
    pub(super) fn narrow(&self, from: u64, to: u64) {
        let (mut width, asked) = (self.width(), to - from + 1);
        if width.answered >= asked {
            width.answered = asked / 2;
        }
        width.at_once = ((width.answered + asked) / 2).max(1);
    }

    /// The logs of an account were read to their end: the next question asks for an eighth more.
    pub(super) fn widen(&self) {
        let mut width = self.width();
        width.at_once = MOST_AT_ONCE.min(width.at_once + width.at_once.div_ceil(8));
    }

    /// Continues with the logs of an account, or begins at that block.
    pub(super) fn resume(&self, account: Account, first: u64) -> Reading {
        let unfinished = self.unfinished().remove(&account).filter(|reading| reading.first <= first);
        unfinished.unwrap_or_else(|| Reading { first, next: first, mined: HashMap::new(), refused: 0 })
    }

    /// Keeps for the next round what was read of an account.
    pub(super) fn suspend(&self, account: Account, reading: Reading) {
        self.unfinished().insert(account, reading);
    }

    /// Forgets the logs of all other accounts.
    pub(super) fn keep_only(&self, accounts: &HashSet<Account>) {
        self.unfinished().retain(|account, _| accounts.contains(account));
    }

    fn width(&self) -> MutexGuard<'_, Width> {
        self.width.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfinished(&self) -> MutexGuard<'_, HashMap<Account, Reading>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads that many blocks; how many questions that takes.
    fn questions(logs: &AccountLogs, blocks: u64, most: u64) -> u64 {
        let (mut from, mut questions) = (1, 0);
        while from <= blocks {
            questions += 1;
            let to = blocks.min(from + logs.at_once() - 1);
            if to - from < most {
                logs.note_answered(from, to);
                from = to + 1;
            } else {
                logs.narrow(from, to);
            }
        }
        logs.widen();
        questions
    }

    #[test]
    fn a_node_that_takes_few_blocks_is_asked_for_as_many_as_it_takes() {
        let logs = AccountLogs::default();
        questions(&logs, 1000, 10);
        for _ in 0..20 {
            questions(&logs, 1000, 10);
        }
        assert!(questions(&logs, 1000, 10) <= 105);
    }

    #[test]
    fn reading_continues_where_it_was_suspended() {
        let (logs, entry_point) = (AccountLogs::default(), Address([2; 20]));
        let account = Account { entry_point, sender: Address([1; 20]) };
        let mut reading = logs.resume(account, 5);
        reading.next = 9;
        logs.suspend(account, reading);
        let elsewhere = Account { entry_point: Address([3; 20]), ..account };
        assert_eq!((logs.resume(elsewhere, 6).next, logs.resume(account, 6).next), (6, 9));
        let mut reading = logs.resume(account, 5);
        reading.next = 9;
        logs.suspend(account, reading);
        assert_eq!(logs.resume(account, 4).next, 4, "it begins before that");
        let reading = logs.resume(account, 5);
        logs.suspend(account, reading);
        logs.keep_only(&HashSet::new());
        assert!(logs.unfinished().is_empty());
    }
}
