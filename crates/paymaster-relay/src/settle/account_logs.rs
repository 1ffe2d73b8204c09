//! What has been read of the logs of single accounts, kept from one round to the next.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::{Address, Uint256};

use super::width::Width;
use crate::chain::AccountOp;
use crate::store::{Contracts, SponsorshipId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AccountLogs {
    /// That of the account that was read to its end last, with which others begin. One whose logs
    /// are refused narrows only its own.
    width: Mutex<Width>,
    unfinished: Mutex<HashMap<Account, Reading>>,
    /// The first block whose logs the node still has, as far as it is known: found out at one
    /// account, it holds for all of them.
    first_kept: Mutex<HashMap<Contracts, u64>>,
}

/// An account, for one deployment: it has nonces and logs of its own at each EntryPoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Account {
    pub(super) contracts: Contracts,
    pub(super) sender: Address,
}

/// The logs of one account, as far as they were read.
#[derive(Debug)]
pub(super) struct Reading {
    /// The block where reading began.
    first: u64,
    /// The last block to read. It stays while the chain grows, or a node that gives few answers
    /// would never get there.
    pub(super) end: u64,
    /// The reservations whose nonces were used up to that block.
    pub(super) of: HashSet<SponsorshipId>,
    /// The next block to read.
    pub(super) next: u64,
    pub(super) width: Width,
    /// The account's operations by nonce.
    pub(super) mined: HashMap<Uint256, AccountOp>,
    /// Rounds in which the logs of that block were refused.
    pub(super) refused: u32,
}

impl AccountLogs {
    /// Continues with the logs of an account, or begins with these blocks, in which the nonces of
    /// those reservations were used.
    pub(super) fn resume(&self, account: Account, first: u64, end: u64, of: HashSet<SponsorshipId>) -> Reading {
        let unfinished = self.unfinished().remove(&account).filter(|reading| reading.first <= first);
        let reading = unfinished.unwrap_or_else(|| {
            let width = *self.width();
            Reading { first, end, of, next: first, width, mined: HashMap::new(), refused: 0 }
        });
        let first_kept = self.first_kept().get(&account.contracts).copied();
        Reading { next: reading.next.max(first_kept.unwrap_or(0)), ..reading }
    }

    /// The node has pruned the logs of the blocks before this one.
    pub(super) fn note_pruned(&self, of: Contracts, first_kept: u64) {
        let mut known = self.first_kept();
        let known = known.entry(of).or_default();
        *known = first_kept.max(*known);
    }

    /// Keeps for the next round what was read of an account.
    pub(super) fn suspend(&self, account: Account, reading: Reading) {
        self.unfinished().insert(account, reading);
    }

    /// The logs of an account were read to their end.
    pub(super) fn finish(&self, reading: &Reading) {
        *self.width() = reading.width;
    }

    /// Forgets the logs of all other accounts that were read for that deployment.
    pub(super) fn keep_only(&self, of: Contracts, senders: &HashSet<Address>) {
        self.unfinished().retain(|account, _| account.contracts != of || senders.contains(&account.sender));
    }

    fn width(&self) -> MutexGuard<'_, Width> {
        self.width.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_kept(&self) -> MutexGuard<'_, HashMap<Contracts, u64>> {
        self.first_kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfinished(&self) -> MutexGuard<'_, HashMap<Account, Reading>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_continues_where_it_was_suspended() {
        let contracts = Contracts { chain_id: 1, entry_point: Address([2; 20]), paymaster: Address([4; 20]) };
        let (logs, account) = (AccountLogs::default(), Account { contracts, sender: Address([1; 20]) });
        let resume = |account, first| logs.resume(account, first, 99, HashSet::new());
        let mut reading = resume(account, 5);
        reading.next = 9;
        logs.suspend(account, reading);
        let other = Contracts { entry_point: Address([3; 20]), ..contracts };
        let elsewhere = Account { contracts: other, ..account };
        assert_eq!((resume(elsewhere, 6).next, resume(account, 6).next), (6, 9));
        let mut reading = resume(account, 5);
        reading.next = 9;
        logs.suspend(account, reading);
        assert_eq!(resume(account, 4).next, 4, "it begins before that");
        logs.note_pruned(contracts, 7);
        assert_eq!((resume(elsewhere, 6).next, resume(account, 6).next), (6, 7));
        let reading = resume(account, 5);
        logs.suspend(account, reading);
        logs.keep_only(other, &HashSet::new());
        logs.keep_only(contracts, &HashSet::from([account.sender]));
        assert_eq!(logs.unfinished().len(), 1);
        logs.keep_only(contracts, &HashSet::new());
        assert!(logs.unfinished().is_empty());
    }
}
