//! Accounts: sealed records, and a cache of recently used ones, so that a signature needs no read
//! of the storage.

mod cache;
mod record;

pub(crate) use record::{Account, Passkey};

use alloc::collections::VecDeque;

use proto::command::{CreateHybridAccount, CredentialId, WalletInfo};
use proto::primitives::keccak256;
use proto::{AccountId, Status};
use serde::{Deserialize, Serialize};

use self::cache::Cache;
use self::record::AccountRecord;
use crate::ports::{RecordName, SecureStore};
use crate::sealed::{self, Layouts, Nothing};
use crate::secret::Secret;
use crate::webauthn::Gesture;

/// The accounts of the store.
#[derive(Default)]
pub(crate) struct Accounts {
    cache: Cache,
    /// Credentials whose account was counted and then not made, the latest last: another try does
    /// not count again.
    counted: VecDeque<RecordName>,
}

/// Maximum number of these. One that is forgotten counts again.
const MAX_COUNTED: usize = 32;

/// Maps a passkey to its account. It is written before the account, so after a crash it may point
/// to an account that was never created: the account's own record decides.
#[derive(Serialize, Deserialize)]
struct CredentialRecord {
    account_id: AccountId,
}

impl Layouts for CredentialRecord {
    type Older = Self;
    type Added = Nothing;

    fn with(self, added: Nothing) -> Self {
        match added {}
    }
}

/// An account that is not written yet.
pub(crate) struct NewAccount {
    account: Account,
    credential: RecordName,
    pointer: CredentialRecord,
}

/// How far the creation of an account got.
pub(crate) enum Progress {
    /// Nothing exists yet.
    New,
    /// The account was counted, then its creation was interrupted.
    Begun,
    /// The account exists.
    Made(WalletInfo),
}

impl Accounts {
    /// The account, if there is one.
    pub(crate) fn find(&mut self, store: &mut impl SecureStore, id: &AccountId) -> Result<Option<&Account>, Status> {
        if !self.cache.contains(id)
            && let Some(record) = sealed::read_and_update::<AccountRecord>(store, &account_name(id))?
        {
            self.cache.insert(Account::open(record, id)?);
        }
        Ok(self.cache.get(id))
    }

    /// How far the creation of this account got. The same passkey always gives the same account,
    /// whose key never changes.
    ///
    /// # Errors
    /// `CredentialConflict`, `AccountExists`: the passkey already has another account, or the
    /// account another passkey. `AccountIdReserved`: the form of a new account's id reserves it for
    /// someone else.
    pub(crate) fn progress(
        &mut self,
        store: &mut impl SecureStore,
        command: &CreateHybridAccount,
        passkey: &Passkey,
    ) -> Result<Progress, Status> {
        let pointer: Option<CredentialRecord> =
            sealed::read_and_update(store, &credential_name(&passkey.credential_id))?;
        if let Some(CredentialRecord { account_id }) = &pointer {
            let account = self.find(store, account_id)?;
            if let Some(account) = account.filter(|account| account.passkey(&passkey.credential_id).is_some()) {
                return account.if_same(&command.account_id, passkey).map(Progress::Made);
            }
        }
        if self.find(store, &command.account_id)?.is_some() {
            return Err(Status::AccountExists);
        }
        if !command.account_id.can_name_account_of(&passkey.credential_id) {
            return Err(Status::AccountIdReserved);
        }
        let is_begun = pointer.is_some_and(|pointer| pointer.account_id == command.account_id);
        Ok(if is_begun { Progress::Begun } else { Progress::New })
    }

    /// The account with its first passkey and this entropy, if [`Self::progress`] says that it does
    /// not exist. Nothing is written yet.
    ///
    /// # Errors
    /// `StorageFull` if there is no room for its records.
    pub(crate) fn prepare(
        store: &impl SecureStore,
        command: &CreateHybridAccount,
        passkey: Passkey,
        entropy: Secret,
    ) -> Result<NewAccount, Status> {
        let credential = credential_name(&passkey.credential_id);
        let account = Account::create(command, entropy, passkey)?;
        let pointer = CredentialRecord { account_id: command.account_id.clone() };
        let name = account_name(account.id());
        let lengths =
            [(credential, sealed::length(&credential, &pointer)?), (name, sealed::length(&name, account.record())?)];
        store.check_fits(&lengths)?;
        Ok(NewAccount { account, credential, pointer })
    }

    /// Whether the account of this credential was counted and not made since the last start.
    pub(crate) fn is_counted(&self, credential_id: &CredentialId) -> bool {
        self.counted.contains(&credential_name(credential_id))
    }

    /// Notes that a new account was counted.
    pub(crate) fn note_counted(&mut self, new: &NewAccount) {
        if self.counted.len() >= MAX_COUNTED {
            self.counted.pop_front();
        }
        self.counted.push_back(new.credential);
    }

    /// Writes the records of a new account.
    pub(crate) fn create(&mut self, store: &mut impl SecureStore, new: NewAccount) -> Result<WalletInfo, Status> {
        let NewAccount { account, credential, pointer } = new;
        let info = account.info();
        sealed::write(store, &credential, &pointer)?;
        self.seal(store, account)?;
        self.counted.retain(|counted| *counted != credential);
        Ok(info)
    }

    /// Records the sign count of the passkey that approved, and the challenge it came with, before
    /// any signature it approved is returned.
    pub(crate) fn note_use(
        &mut self,
        store: &mut impl SecureStore,
        id: &AccountId,
        credential_id: &CredentialId,
        gesture: Gesture,
    ) -> Result<(), Status> {
        let passkey =
            self.cache.get(id).and_then(|account| account.passkey(credential_id)).ok_or(Status::CredentialUnknown)?;
        if passkey.knows(gesture) {
            return Ok(());
        }
        // Removed from the cache until it is sealed: after a failed write only the store knows
        // which count is current.
        let mut account = self.cache.take(id).ok_or(Status::AccountUnknown)?;
        account.note(credential_id, gesture);
        self.seal(store, account)
    }

    fn seal(&mut self, store: &mut impl SecureStore, account: Account) -> Result<(), Status> {
        sealed::write(store, &account_name(account.id()), account.record())?;
        self.cache.insert(account);
        Ok(())
    }
}

fn account_name(id: &AccountId) -> RecordName {
    RecordName::Account(keccak256(id.as_str()))
}

fn credential_name(credential_id: &CredentialId) -> RecordName {
    RecordName::Credential(keccak256(&**credential_id))
}
