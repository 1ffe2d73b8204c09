//! Recently used accounts, bounded by the secure world's memory.

use alloc::collections::BTreeMap;

use proto::AccountId;

use super::record::Account;

/// An account takes one to two KiB; trusted applications have a heap of about one MiB.
const CAPACITY: usize = 128;

/// Accounts by id. The least recently used one is evicted.
#[derive(Default)]
pub(super) struct Cache {
    accounts: BTreeMap<AccountId, Entry>,
    uses: u64,
}

struct Entry {
    account: Account,
    last_use: u64,
}

impl Cache {
    pub(super) fn contains(&self, id: &AccountId) -> bool {
        self.accounts.contains_key(id)
    }

    pub(super) fn get(&mut self, id: &AccountId) -> Option<&Account> {
        let entry = self.accounts.get_mut(id)?;
        self.uses = self.uses.saturating_add(1);
        entry.last_use = self.uses;
        Some(&entry.account)
    }

    pub(super) fn take(&mut self, id: &AccountId) -> Option<Account> {
        self.accounts.remove(id).map(|entry| entry.account)
    }

    pub(super) fn insert(&mut self, account: Account) {
        if self.accounts.len() >= CAPACITY {
            self.evict();
        }
        self.uses = self.uses.saturating_add(1);
        let entry = Entry { last_use: self.uses, account };
        self.accounts.insert(entry.account.id().clone(), entry);
    }

    fn evict(&mut self) {
        let oldest = self.accounts.iter().min_by_key(|(_, entry)| entry.last_use).map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.accounts.remove(&id);
        }
    }
}
