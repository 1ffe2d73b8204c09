//! Commands that need both proofs: the relay's approval and the user's passkey.

use serde::{Deserialize, Serialize};

use super::account::CredentialId;
use super::reply_length::{ADDRESS, HASH};
use crate::abi::{Argument, encode};
use crate::account_id::AccountId;
use crate::bytes::BoundedBytes;
use crate::digest::{intent_hash, request_digest};
use crate::entry_point::EntryPoint;
use crate::intents::IntentList;
use crate::limits;
use crate::paymaster::Terms;
use crate::primitives::{Address, Hash, IntentHash, RequestDigest, UserOpHash, keccak256};
use crate::signature::Signature;
use crate::status::Status;
use crate::user_operation::UserOperation;

/// Requests the paymaster's signature over an operation, and the account's own with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sponsor {
    /// The target EntryPoint.
    pub entry_point: EntryPoint,
    /// The account.
    pub account_id: AccountId,
    /// The operation with all paymaster fields empty.
    pub op: UserOperation,
    /// The paymaster's terms.
    pub terms: Terms,
    /// The user's approval; only a relay key with that permission may leave it out.
    pub passkey: Option<PasskeyAssertion>,
    /// The relay's approval.
    pub approval: RelayApproval,
}

/// Requests the account's signature over an operation as given, with its paymaster (protocol,
/// section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignWithHybridKey {
    /// The target EntryPoint.
    pub entry_point: EntryPoint,
    /// The account.
    pub account_id: AccountId,
    /// The operation, final except for the account's signature.
    pub op: UserOperation,
    /// The user's approval.
    pub passkey: PasskeyAssertion,
    /// The relay's approval.
    pub approval: RelayApproval,
}

/// A WebAuthn assertion (WebAuthn Level 3, section 7.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyAssertion {
    /// Which credential signed.
    pub credential_id: CredentialId,
    /// As the authenticator made it.
    pub authenticator_data: BoundedBytes<{ limits::MAX_AUTHENTICATOR_DATA }>,
    /// As the browser serialised it.
    pub client_data_json: BoundedBytes<{ limits::MAX_CLIENT_DATA }>,
    /// DER, as the authenticator made it.
    pub signature: BoundedBytes<{ limits::MAX_DER_SIGNATURE }>,
    /// The operations that it approves together, if they are several (protocol, section 2.9).
    pub intents: Option<IntentList>,
}

impl PasskeyAssertion {
    /// The challenge that approves this intent: the intent itself, or the hash of the list that
    /// contains it.
    ///
    /// # Errors
    /// `IntentNotListed` if the list does not contain the intent.
    pub fn challenge_for(&self, intent: &IntentHash) -> Result<IntentHash, Status> {
        match &self.intents {
            None => Ok(*intent),
            Some(list) if list.contains(intent) => Ok(list.hash()),
            Some(_) => Err(Status::IntentNotListed),
        }
    }
}

/// `keccak256(abi.encode(bytes authenticatorData, bytes clientDataJSON, bytes signature))`; 32 zero
/// bytes without an assertion, which only a relay key with that permission may leave out. A list of
/// intents is bound by the challenge in `clientDataJSON`.
#[must_use]
pub fn user_signature_hash(assertion: Option<&PasskeyAssertion>) -> Hash {
    assertion.map_or_else(Hash::default, |assertion| {
        keccak256(encode(&[
            Argument::Dynamic(&assertion.authenticator_data),
            Argument::Dynamic(&assertion.client_data_json),
            Argument::Dynamic(&assertion.signature),
        ]))
    })
}

/// The relay's signature over the request digest, EIP-191.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayApproval {
    /// Unique for each relay key.
    pub nonce: u64,
    /// Unix seconds.
    pub timestamp: u64,
    /// Over [`Sponsor::request_digest`] or [`SignWithHybridKey::request_digest`].
    pub signature: Signature,
}

/// The signatures of a sponsored operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SponsorReply {
    /// `getUserOpHash` of the final operation.
    pub user_op_hash: UserOpHash,
    /// Address of the paymaster's key in the TEE.
    pub paymaster_signer: Address,
    /// Over the EIP-712 paymaster digest.
    pub paymaster_signature: Signature,
    /// Over `user_op_hash`; absent when there was no passkey.
    pub account_signature: Option<Signature>,
}

impl SponsorReply {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = HASH + ADDRESS + Signature::LENGTH + 1 + Signature::LENGTH;
}

/// The account's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignReply {
    /// `getUserOpHash` of the operation.
    pub user_op_hash: UserOpHash,
    /// Address of the account's key.
    pub owner: Address,
    /// Over `user_op_hash`.
    pub signature: Signature,
}

impl SignReply {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = HASH + ADDRESS + Signature::LENGTH;
}

impl Sponsor {
    /// The hash that the user's passkey signs: the operation without any paymaster.
    #[must_use]
    pub fn intent_hash(&self) -> IntentHash {
        intent_hash(&self.op.without_paymaster().hash(&self.entry_point), &self.account_id)
    }

    /// The digest that the relay signs: the operation with the terms, the user's assertion, nonce
    /// and time.
    #[must_use]
    pub fn request_digest(&self) -> RequestDigest {
        let with_terms = UserOperation { paymaster: Some(self.terms.unsigned()), ..self.op.clone() };
        request_digest(
            &with_terms.hash(&self.entry_point),
            &self.account_id,
            &user_signature_hash(self.passkey.as_ref()),
            self.approval.nonce,
            self.approval.timestamp,
        )
    }

    /// The operation as submitted to the EntryPoint.
    #[must_use]
    pub fn final_op(&self, paymaster_signature: &Signature) -> UserOperation {
        let paymaster = self.terms.signed(self.entry_point.version, paymaster_signature);
        UserOperation { paymaster: Some(paymaster), ..self.op.clone() }
    }
}

impl SignWithHybridKey {
    /// The hash that the user's passkey signs: the operation as given, including a third party's
    /// paymaster.
    #[must_use]
    pub fn intent_hash(&self) -> IntentHash {
        intent_hash(&self.op.hash(&self.entry_point), &self.account_id)
    }

    /// The digest that the relay signs.
    #[must_use]
    pub fn request_digest(&self) -> RequestDigest {
        request_digest(
            &self.op.hash(&self.entry_point),
            &self.account_id,
            &user_signature_hash(Some(&self.passkey)),
            self.approval.nonce,
            self.approval.timestamp,
        )
    }
}
