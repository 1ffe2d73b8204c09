//! An account: its sealed record, and the key derived from it.

use alloc::vec;

use proto::bytes::BoundedList;
use proto::command::{CreateHybridAccount, CredentialId, PasskeyInfo, PasskeyPublicKey, SignatureScheme, WalletInfo};
use proto::limits::MAX_PASSKEYS;
use proto::{AccountId, Address, Hash, Status};
use serde::{Deserialize, Serialize};

use crate::keys::AccountKey;
use crate::sealed::{Layouts, Nothing};
use crate::secret::Secret;
use crate::webauthn::Gesture;

/// The sealed fields of an account.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    id: AccountId,
    entropy: Secret,
    signature_scheme: SignatureScheme,
    passkeys: BoundedList<Passkey, MAX_PASSKEYS>,
}

/// The layout that did not yet store the challenge of the last count.
#[derive(Deserialize)]
pub(crate) struct OlderAccountRecord {
    id: AccountId,
    entropy: Secret,
    signature_scheme: SignatureScheme,
    passkeys: BoundedList<OlderPasskey, MAX_PASSKEYS>,
}

#[derive(Deserialize)]
struct OlderPasskey {
    credential_id: CredentialId,
    public_key: PasskeyPublicKey,
    rp_id_hash: Hash,
    backup_eligible: bool,
    sign_count: u32,
}

impl Layouts for AccountRecord {
    type Older = OlderAccountRecord;
    type Added = Nothing;

    fn with(self, added: Nothing) -> Self {
        match added {}
    }
}

impl From<OlderAccountRecord> for AccountRecord {
    fn from(older: OlderAccountRecord) -> Self {
        let OlderAccountRecord { id, entropy, signature_scheme, passkeys } = older;
        let passkeys = passkeys.map(|passkey| Passkey {
            credential_id: passkey.credential_id.clone(),
            public_key: passkey.public_key,
            rp_id_hash: passkey.rp_id_hash,
            backup_eligible: passkey.backup_eligible,
            sign_count: passkey.sign_count,
            last_challenge: None,
        });
        Self { id, entropy, signature_scheme, passkeys }
    }
}

/// What a registration binds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Passkey {
    /// The credential.
    pub(crate) credential_id: CredentialId,
    /// Its key, on the curve.
    pub(crate) public_key: PasskeyPublicKey,
    /// SHA-256 of the relying party's id.
    pub(crate) rp_id_hash: Hash,
    /// Whether it may be synced. An authenticator never changes this flag.
    pub(crate) backup_eligible: bool,
    /// The highest count seen.
    pub(crate) sign_count: u32,
    /// SHA-256 of the challenge that came with that count. Absent after an update from the older
    /// layout, until the passkey is used again.
    pub(crate) last_challenge: Option<Hash>,
}

impl Passkey {
    /// Whether recording the gesture would change nothing: the passkey does not count, or this is
    /// the same gesture again.
    pub(super) fn knows(&self, gesture: Gesture) -> bool {
        let is_counted = gesture.sign_count() > 0;
        self.sign_count == gesture.sign_count() && (!is_counted || self.last_challenge == Some(gesture.challenge()))
    }
}

/// An account ready to use.
pub(crate) struct Account {
    record: AccountRecord,
    key: AccountKey,
    owner: Address,
}

impl Account {
    /// A new account, not sealed yet.
    pub(crate) fn create(command: &CreateHybridAccount, entropy: Secret, passkey: Passkey) -> Result<Self, Status> {
        Self::with_key(AccountRecord {
            id: command.account_id.clone(),
            entropy,
            signature_scheme: command.signature_scheme,
            passkeys: BoundedList::new(vec![passkey]).map_err(|_| Status::TooLarge)?,
        })
    }

    /// Opens the account of a sealed record.
    pub(super) fn open(record: AccountRecord, id: &AccountId) -> Result<Self, Status> {
        if record.id != *id {
            return Err(Status::StorageCorrupt);
        }
        Self::with_key(record)
    }

    fn with_key(record: AccountRecord) -> Result<Self, Status> {
        let key = AccountKey::derive(&record.entropy)?;
        let owner = key.address();
        Ok(Self { record, key, owner })
    }

    pub(super) fn record(&self) -> &AccountRecord {
        &self.record
    }

    pub(crate) fn id(&self) -> &AccountId {
        &self.record.id
    }

    /// Signs only operations and messages that were checked for this account
    /// ([`AccountKey::sign_user_operation`], [`AccountKey::sign_message`]).
    pub(crate) fn key(&self) -> &AccountKey {
        &self.key
    }

    pub(crate) fn owner(&self) -> Address {
        self.owner
    }

    pub(crate) fn signature_scheme(&self) -> SignatureScheme {
        self.record.signature_scheme
    }

    /// The account's passkey with that credential id.
    pub(crate) fn passkey(&self, credential_id: &CredentialId) -> Option<&Passkey> {
        self.record.passkeys.iter().find(|passkey| passkey.credential_id == *credential_id)
    }

    /// The public facts.
    pub(crate) fn info(&self) -> WalletInfo {
        let passkeys = self.record.passkeys.map(|passkey| PasskeyInfo {
            credential_id: passkey.credential_id.clone(),
            public_key: passkey.public_key,
        });
        WalletInfo {
            account_id: self.record.id.clone(),
            owner: self.owner,
            signature_scheme: self.record.signature_scheme,
            passkeys,
        }
    }

    /// The public facts, if the account has this id and this passkey with the same key.
    pub(super) fn if_same(&self, id: &AccountId, passkey: &Passkey) -> Result<WalletInfo, Status> {
        let same_key = self.passkey(&passkey.credential_id).is_some_and(|known| known.public_key == passkey.public_key);
        if self.record.id != *id || !same_key {
            return Err(Status::CredentialConflict);
        }
        Ok(self.info())
    }

    pub(super) fn note(&mut self, credential_id: &CredentialId, gesture: Gesture) {
        let passkeys = self.record.passkeys.iter_mut();
        for passkey in passkeys.filter(|passkey| passkey.credential_id == *credential_id) {
            passkey.sign_count = gesture.sign_count();
            passkey.last_challenge = Some(gesture.challenge());
        }
    }
}
