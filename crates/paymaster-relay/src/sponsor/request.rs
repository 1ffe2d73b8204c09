//! A parsed request: from here on no text can be malformed.

use std::sync::Arc;

use proto::bytes::BoundedBytes;
use proto::command::{PasskeyAssertion, user_signature_hash};
use proto::digest::intent_hash;
use proto::limits::MAX_PAYMASTER_DATA;
use proto::{AccountId, Address, Hash, IntentHash, Paymaster, UserOpHash, UserOperation};
use serde_json::Value;

use crate::catalogue::Validity;
use crate::chains::Chain;
use crate::clients::Caller;
use crate::deployment::Deployment;
use crate::policy::Policy;
use crate::store::{KeySpace, Principal};

/// An operation to sponsor, or to preview.
#[derive(Clone, Debug)]
pub struct DraftRequest {
    /// The chain.
    pub chain: Arc<Chain>,
    /// The paymaster and its EntryPoint.
    pub deployment: Deployment,
    /// The operation with all paymaster fields empty.
    pub op: UserOperation,
    /// The contract that its sender delegates to by an authorisation beside the operation
    /// (EIP-7702).
    pub delegate_beside: Option<Address>,
    /// What the client sent for the fields that are not signed.
    pub placeholders: Placeholders,
    /// Our own paymaster fields, which the client copied from an earlier answer.
    pub echo: Option<Paymaster>,
    /// The account that the sender belongs to.
    pub account_id: AccountId,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The allowed validity of the sponsorship.
    pub validity: Validity,
    /// The caller.
    pub caller: Caller,
}

/// Parts of an operation that nobody here signs, and that a bundler's simulation needs.
#[derive(Clone, Debug)]
pub struct Placeholders {
    /// The account's signature, or the client's stub for it; empty if it sent none.
    pub signature: BoundedBytes<MAX_PAYMASTER_DATA>,
    /// The EIP-7702 authorisation, as it came.
    pub authorisation: Option<Value>,
}

/// A request for a signature.
#[derive(Clone, Debug)]
pub struct SponsorRequest {
    /// The operation to sponsor.
    pub draft: DraftRequest,
    /// The user's approval; only some policies sponsor without it.
    pub passkey: Option<PasskeyAssertion>,
    /// The client's idempotency key for the request.
    pub idempotency_key: Option<String>,
    /// Identifies the request: the hash that a passkey of the account signs. Never the signature,
    /// of which there are many for one challenge.
    pub intent: IntentHash,
    /// Identifies the approval (`userSignatureHash`).
    pub user_signature_hash: Hash,
    /// For the logs of the gateway and the relay.
    pub request_id: String,
}

impl DraftRequest {
    /// `H0`: the hash of the operation without any paymaster.
    #[must_use]
    pub fn bare_hash(&self) -> UserOpHash {
        self.op.hash(&self.deployment.entry_point)
    }

    /// The principal: the account once its passkey has proven it, otherwise the caller.
    #[must_use]
    pub fn principal(&self, is_proven: bool) -> Principal {
        match self.caller.key_id() {
            _ if is_proven => Principal::Account(self.account_id.clone()),
            Some(id) => Principal::ApiKey(id.clone()),
            None => Principal::Anonymous,
        }
    }

    /// Whether the account id is vouched for: by its passkey, or by the server that holds the API
    /// key.
    #[must_use]
    pub fn is_vouched(&self, principal: &Principal) -> bool {
        principal.is_proven() || self.caller.is_server()
    }

    /// The space in which its idempotency key is unique.
    #[must_use]
    pub fn key_space(&self, principal: &Principal) -> KeySpace {
        KeySpace::of(self.chain.id(), principal, self.is_vouched(principal), &self.op.sender)
    }

    /// Whether the operation lacks gas limits. Zero is none: clients send it in place of nothing.
    #[must_use]
    pub fn lacks_gas(&self) -> bool {
        let op = &self.op;
        [op.call_gas_limit, op.verification_gas_limit, op.pre_verification_gas].contains(&0)
    }

    /// Whether the client named an account; otherwise the sender is the account.
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
