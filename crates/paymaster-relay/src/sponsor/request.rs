//! A request, parsed: past this point no text can be malformed.

use std::sync::Arc;

use proto::command::{PasskeyAssertion, user_signature_hash};
use proto::digest::intent_hash;
use proto::{AccountId, Hash, IntentHash, Paymaster, UserOpHash, UserOperation};

use crate::catalogue::Validity;
use crate::chains::Chain;
use crate::clients::Caller;
use crate::deployment::Deployment;
use crate::policy::Policy;
use crate::store::{KeySpace, Principal};

/// An operation somebody wants sponsored, for real or to see what it would take.
#[derive(Clone, Debug)]
pub struct DraftRequest {
    /// On which chain.
    pub chain: Arc<Chain>,
    /// By which paymaster, at which EntryPoint.
    pub deployment: Deployment,
    /// The operation with all paymaster fields empty.
    pub op: UserOperation,
    /// Our own paymaster fields, as an earlier answer of ours put them into the operation.
    pub echo: Option<Paymaster>,
    /// The account that the sender belongs to.
    pub account_id: AccountId,
    /// By which policy.
    pub policy: Arc<Policy>,
    /// How long the sponsorship may be valid.
    pub validity: Validity,
    /// Who asks for it.
    pub caller: Caller,
}

/// A request for a signature.
#[derive(Clone, Debug)]
pub struct SponsorRequest {
    /// What is to be sponsored.
    pub draft: DraftRequest,
    /// The user's approval; without it only some policies sponsor.
    pub passkey: Option<PasskeyAssertion>,
    /// The client's own name for the request.
    pub idempotency_key: Option<String>,
    /// Which request it is: what a passkey of the account signs. Never the signature, of which
    /// there are many for one challenge.
    pub intent: IntentHash,
    /// Which approval of it (`userSignatureHash`).
    pub user_signature_hash: Hash,
    /// For the gateway's log and ours.
    pub request_id: String,
}

impl DraftRequest {
    /// `H0`: the hash of the operation without any paymaster.
    #[must_use]
    pub fn bare_hash(&self) -> UserOpHash {
        self.op.hash(&self.deployment.entry_point)
    }

    /// Who stands behind it: the account once its passkey has proven it, otherwise the caller.
    #[must_use]
    pub fn principal(&self, is_proven: bool) -> Principal {
        match self.caller.key_id() {
            _ if is_proven => Principal::Account(self.account_id.clone()),
            Some(id) => Principal::ApiKey(id.clone()),
            None => Principal::Anonymous,
        }
    }

    /// Whether somebody answers for the account id: its passkey, or the server that holds the API
    /// key.
    #[must_use]
    pub fn is_vouched(&self, principal: &Principal) -> bool {
        principal.is_proven() || self.caller.is_server()
    }

    /// Where an idempotency key stands for it.
    #[must_use]
    pub fn key_space(&self, principal: &Principal) -> KeySpace {
        KeySpace::of(self.chain.id(), principal, self.is_vouched(principal), &self.op.sender)
    }

    /// Whether the client named an account; otherwise the sender stands for itself.
    #[must_use]
    pub fn names_an_account(&self) -> bool {
        self.account_id != AccountId::of_address(&self.op.sender)
    }

    /// The WebAuthn challenge by which the account's user approves the operation.
    #[must_use]
    pub fn intent(&self) -> IntentHash {
        intent_hash(&self.bare_hash(), &self.account_id)
    }
}

impl SponsorRequest {
    /// Completes a draft with the user's approval.
    #[must_use]
    pub fn new(
        draft: DraftRequest,
        passkey: Option<PasskeyAssertion>,
        idempotency_key: Option<String>,
        request_id: String,
    ) -> Self {
        let intent = draft.intent();
        let user_signature_hash = user_signature_hash(passkey.as_ref());
        Self { draft, passkey, idempotency_key, intent, user_signature_hash, request_id }
    }
}
