//! Who asks, and what they say about themselves.

use proto::command::PasskeyPublicKey;
use proto::json::invitation::SignedInvitation;
use proto::{Address, Hash};

use crate::api_keys::ApiKeyHash;

/// The request a command came with.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Goes into the audit and every answer.
    pub request_id: String,
    /// What the caller names beside the command; it must be true.
    pub claims: Claims,
    /// Keccak-256 of whatever the caller wants to be in the audit.
    pub context_hash: Option<Hash>,
    /// By whose leave the caller has an account made.
    pub proof: Option<CreationProof>,
}

/// What a caller shows for an account.
#[derive(Clone, Copy, Debug)]
pub enum CreationProof {
    /// A key of `kms.api_keys`.
    ApiKey(ApiKeyHash),
    /// An invitation by a relay.
    Invitation(SignedInvitation),
}

/// Facts that follow from the command, named beside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims {
    /// The relay key that signed.
    pub signer: Option<Address>,
    /// The public key of the passkey.
    pub passkey_public_key: Option<PasskeyPublicKey>,
}

impl Caller {
    /// A caller with a request id, who claims nothing.
    #[must_use]
    pub fn new(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), ..Self::default() }
    }
}
