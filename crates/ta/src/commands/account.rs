//! Accounts: creation, the public facts that anyone may query, and signatures over messages.

use proto::Status;
use proto::command::{CreateHybridAccount, GetWalletInfo, SignMessage, SignMessageReply, WalletInfo};

use crate::accounts::{Accounts, Progress};
use crate::checks::CheckedMessage;
use crate::core::Core;
use crate::keys::AccountKey;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};
use crate::secret::Secret;
use crate::system::System;
use crate::webauthn::verify_registration;

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    pub(super) fn wallet_info(&mut self, command: &GetWalletInfo) -> Result<WalletInfo, Status> {
        let account = self.accounts.find(&mut self.store, &command.account_id)?;
        Ok(account.ok_or(Status::AccountUnknown)?.info())
    }

    pub(super) fn create_account(&mut self, command: &CreateHybridAccount) -> Result<WalletInfo, Status> {
        let (durable, accounts, store) = self.signing();
        let provisioned = durable.system()?.provisioned();
        let passkey = verify_registration(&command.registration, &provisioned.relying_parties)?;
        let is_counted = match accounts.progress(store, command, &passkey)? {
            Progress::Made(info) => return Ok(info),
            Progress::Begun => true,
            Progress::New => accounts.is_counted(&passkey.credential_id),
        };
        if !is_counted && provisioned.accounts >= provisioned.ceilings.max_accounts {
            return Err(Status::TooManyAccounts);
        }
        let entropy = Secret::draw(&mut self.entropy)?;
        let new = Accounts::prepare(&self.store, command, passkey, entropy)?;
        // Counted before any of the account's records exist: an interrupted creation leaves a count
        // without an account, never the reverse.
        if !is_counted {
            self.commit(|state| state.changed(System::with_account))?;
            self.accounts.note_counted(&new);
        }
        self.accounts.create(&mut self.store, new)
    }

    pub(super) fn sign_message(&mut self, command: &SignMessage) -> Result<SignMessageReply, Status> {
        let (durable, accounts, store) = self.signing();
        let account = accounts.find(store, &command.account_id)?;
        let message = CheckedMessage::new(command, durable.system()?, account)?;
        let reply = SignMessageReply {
            digest: message.digest(),
            owner: message.account().owner(),
            signature: AccountKey::sign_message(&message)?,
        };
        let gesture = message.gesture();
        accounts.note_use(store, &command.account_id, &command.passkey.credential_id, gesture)?;
        Ok(reply)
    }
}
