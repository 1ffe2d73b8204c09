//! The approvals given, tracked independently of the core, and which signatures they allow.

use std::collections::{BTreeMap, HashMap, HashSet};

use proto::command::{
    Ceilings, CredentialId, MessageForm, PasskeyAssertion, PasskeyPublicKey, RelayApproval, SignMessage,
    SignMessageReply, SignReply, SignWithHybridKey, SignatureScheme, Sponsor, SponsorReply, WalletInfo,
};
use proto::digest::personal_message_hash;
use proto::paymaster::{MAX_TIMESTAMP, WINDOW_SLACK, paymaster_digest};
use proto::signers::AuthorisedSigner;
use proto::{
    AccountId, Address, Hash, IntentHash, IntentList, Permissions, RequestDigest, Signature, UserOpHash,
    worst_case_cost,
};

use crate::support::keys::recover;

/// The relay keys by their addresses.
pub type Signers = BTreeMap<Address, AuthorisedSigner>;

/// Every approval given so far, whether or not the core saw it.
#[derive(Clone)]
pub struct Model {
    pub paymaster_signer: Address,
    /// The possible paymaster signers after a failed rotation, which may have taken effect.
    pub paymaster_signers_in_doubt: Vec<Address>,
    pub ceilings: Ceilings,
    pub signers: Signers,
    /// The possible signers after a failed command, which may have taken effect; resolved once the
    /// core has reopened its store.
    pub in_doubt: Vec<Signers>,
    /// What accounts check for an operation with any paymaster, in both schemes.
    pub digests_of_operations: HashSet<Hash>,
    pub user_approved: HashSet<(PasskeyPublicKey, IntentHash)>,
    pub user_approved_lists: HashSet<(PasskeyPublicKey, IntentList)>,
    pub relay_approved: HashSet<(Address, RequestDigest)>,
    pub wallets: BTreeMap<AccountId, WalletInfo>,
    /// By paymaster signer at that time, and frame.
    pub replies: HashMap<(Address, Vec<u8>), Vec<u8>>,
    /// By credential: the highest count that approved something, and the challenge it approved.
    pub counts: HashMap<CredentialId, (u32, [u8; 32])>,
}

impl Model {
    /// A wallet never changes after it is first seen, and shares no credential or key with another.
    pub fn check_wallet(&mut self, wallet: &WalletInfo) {
        let known = self.wallets.entry(wallet.account_id.clone()).or_insert_with(|| wallet.clone());
        assert_eq!(known, wallet, "an account changed");
        let credential = |wallet: &WalletInfo| wallet.passkeys[0].credential_id.clone();
        for other in self.wallets.values().filter(|other| other.account_id != wallet.account_id) {
            assert!(credential(other) != credential(wallet) && other.owner != wallet.owner);
        }
    }

    pub fn check_sponsorship(&mut self, command: &Sponsor, reply: &SponsorReply) {
        let entry_point = &command.entry_point;
        let digest = paymaster_digest(&command.op, entry_point, &command.terms);
        assert_eq!(recover(&digest.0, &reply.paymaster_signature), Some(self.paymaster_signer));
        assert_eq!(reply.paymaster_signer, self.paymaster_signer);
        self.check_ceilings(command);

        let permissions = self.check_relay(&command.request_digest(), &command.approval);
        assert!(permissions.contains(Permissions::SPONSOR));
        let hash = command.final_op(&reply.paymaster_signature).hash(entry_point);
        assert_eq!(hash, reply.user_op_hash);
        self.note_operation(&hash);
        match (&command.passkey, &reply.account_signature) {
            (Some(assertion), Some(signature)) => {
                self.check_user(&command.account_id, assertion, command.intent_hash());
                self.check_account_signature(&command.account_id, &hash, signature);
            }
            (passkey, signature) => {
                assert!(
                    passkey.is_none() && signature.is_none(),
                    "an account signature exactly when a passkey approved"
                );
                assert!(permissions.contains(Permissions::SPONSOR_WITHOUT_PASSKEY));
            }
        }
    }

    pub fn check_signing(&mut self, command: &SignWithHybridKey, reply: &SignReply) {
        let permissions = self.check_relay(&command.request_digest(), &command.approval);
        assert!(permissions.contains(Permissions::SIGN_USER_OPERATION));
        assert_ne!(command.op.paymaster.as_ref().unwrap().address, Address::default());
        let deployments = &self.ceilings.deployments;
        assert!(deployments.iter().any(|deployment| deployment.entry_point == command.entry_point));
        self.check_user(&command.account_id, &command.passkey, command.intent_hash());
        let hash = command.op.hash(&command.entry_point);
        assert_eq!(hash, reply.user_op_hash);
        self.note_operation(&hash);
        self.check_account_signature(&command.account_id, &hash, &reply.signature);
    }

    pub fn check_message(&mut self, command: &SignMessage, reply: &SignMessageReply) {
        let digest = command.digest();
        assert!(reply.digest == digest && !self.digests_of_operations.contains(&digest), "signed an operation");
        assert!(!command.message.is_empty() && command.message.len() != 32);
        if let MessageForm::PersonalSign(domain) = &command.form {
            assert!(*domain.name != "ERC4337");
            let deployments = &self.ceilings.deployments;
            assert!(deployments.iter().all(|known| known.entry_point.address != domain.verifying_contract));
        }
        assert!(command.passkey.intents.is_none(), "a list approved a message");
        self.check_user(&command.account_id, &command.passkey, command.intent_hash());
        let owner = self.wallets[&command.account_id].owner;
        assert_eq!((reply.owner, recover(&digest.0, &reply.signature)), (owner, Some(owner)));
    }

    /// Notes what accounts check for this operation.
    pub fn note_operation(&mut self, hash: &UserOpHash) {
        self.digests_of_operations.extend(SignatureScheme::ALL.map(|scheme| scheme.digest(hash)));
    }

    fn check_ceilings(&self, command: &Sponsor) {
        let (ceilings, terms, timestamp) = (&self.ceilings, &command.terms, command.approval.timestamp);
        assert!(ceilings.deployments.iter().any(|deployment| {
            deployment.entry_point == command.entry_point && deployment.paymaster == terms.paymaster
        }));
        let cost = worst_case_cost(&command.op, command.entry_point.version, terms).unwrap();
        assert!(cost <= ceilings.max_cost);
        assert!(terms.valid_after <= timestamp && timestamp <= terms.valid_until);
        assert!(terms.valid_until - timestamp <= u64::from(ceilings.max_window));
        let width = terms.valid_until - terms.valid_after;
        assert!(width <= u64::from(ceilings.max_window) + WINDOW_SLACK, "a window of {width} s");
        assert!(terms.valid_until > 0 && terms.valid_until <= MAX_TIMESTAMP, "unlimited, or in block numbers");
    }

    fn check_relay(&self, digest: &RequestDigest, approval: &RelayApproval) -> Permissions {
        let signer = recover(&personal_message_hash(&digest.0).0, &approval.signature).unwrap();
        assert!(self.relay_approved.contains(&(signer, *digest)), "a relay never approved that");
        self.signers.get(&signer).unwrap().permissions
    }

    /// The user approved the operation, alone or in exactly this list.
    fn check_user(&mut self, account: &AccountId, assertion: &PasskeyAssertion, intent: IntentHash) {
        let passkey = &self.wallets[account].passkeys[0];
        assert_eq!(assertion.credential_id, passkey.credential_id);
        let challenge = match &assertion.intents {
            None => {
                assert!(self.user_approved.contains(&(passkey.public_key, intent)), "the user never approved that");
                intent
            }
            Some(list) => {
                assert!(list.contains(&intent), "the list contains other operations");
                let approved = self.user_approved_lists.contains(&(passkey.public_key, list.clone()));
                assert!(approved, "the user never approved that list");
                list.hash()
            }
        };
        self.check_count(assertion, challenge.0);
    }

    /// Each count approves one challenge, and no lower count approves after it.
    fn check_count(&mut self, assertion: &PasskeyAssertion, challenge: [u8; 32]) {
        let count = u32::from_be_bytes(assertion.authenticator_data[33..37].try_into().unwrap());
        let (highest, approved) = *self.counts.get(&assertion.credential_id).unwrap_or(&(0, challenge));
        assert!(count >= highest, "the count decreased");
        assert!(count > highest || count == 0 || challenge == approved, "a count for two challenges");
        self.counts.insert(assertion.credential_id.clone(), (count, challenge));
    }

    fn check_account_signature(&self, account: &AccountId, hash: &UserOpHash, signature: &Signature) {
        let wallet = &self.wallets[account];
        let digest = match wallet.signature_scheme {
            SignatureScheme::Eip191 => personal_message_hash(&hash.0).0,
            SignatureScheme::Raw => hash.0,
        };
        assert_eq!(recover(&digest, signature), Some(wallet.owner));
    }
}
