//! Signatures over user operations. A key only signs what [`crate::checks`] has checked.

use proto::Status;
use proto::command::{SignReply, SignWithHybridKey, Sponsor, SponsorReply};

use crate::checks::{CheckedOperation, CheckedSponsorship};
use crate::core::Core;
use crate::keys::AccountKey;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    pub(super) fn sponsor(&mut self, command: &Sponsor) -> Result<SponsorReply, Status> {
        let (durable, accounts, store) = self.signing();
        let account = match command.passkey {
            Some(_) => accounts.find(store, &command.account_id)?,
            None => None,
        };
        let sponsorship = CheckedSponsorship::new(command, durable.system()?, account)?;
        // Last before the signature: what is refused costs nothing. If the use of the passkey can't
        // be recorded afterwards, the charge stands, and a repetition is not charged again.
        let charged = durable.charge(store, sponsorship.bill())?;
        let system = durable.system()?;
        let paymaster_signature = system.paymaster_key().sign_sponsorship(&sponsorship, &charged)?;
        let (user_op_hash, operation) = sponsorship.complete(&paymaster_signature);
        let reply = SponsorReply {
            user_op_hash,
            paymaster_signer: system.provisioned().paymaster_signer,
            paymaster_signature,
            account_signature: operation.as_ref().map(AccountKey::sign_user_operation).transpose()?,
        };
        if let (Some(operation), Some(assertion)) = (operation, &command.passkey) {
            let gesture = operation.gesture();
            accounts.note_use(store, &command.account_id, &assertion.credential_id, gesture)?;
        }
        Ok(reply)
    }

    pub(super) fn sign(&mut self, command: &SignWithHybridKey) -> Result<SignReply, Status> {
        let (durable, accounts, store) = self.signing();
        let account = accounts.find(store, &command.account_id)?;
        let operation = CheckedOperation::new(command, durable.system()?, account)?;
        let reply = SignReply {
            user_op_hash: operation.hash(),
            owner: operation.account().owner(),
            signature: AccountKey::sign_user_operation(&operation)?,
        };
        let gesture = operation.gesture();
        let credential_id = &command.passkey.credential_id;
        accounts.note_use(store, &command.account_id, credential_id, gesture)?;
        Ok(reply)
    }
}
