//! The caller of a request, and the credentials it presents.

use api_keys::KeyHash;
use proto::command::PasskeyPublicKey;
use proto::json::invitation::SignedInvitation;
use proto::{Address, Hash};
use serve::Client;

/// The request that a command came with. Each HTTP surface builds one from its own form of
/// credentials; the gateway looks at nothing else.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Appears in the audit and in every answer.
    pub request_id: String,
    /// Where it came from.
    pub client: Client,
    /// The identity it presents.
    pub principal: Principal,
    /// The public key of the passkey, sent beside the command; it must be the account's.
    pub passkey_public_key: Option<PasskeyPublicKey>,
    /// Keccak-256 of arbitrary data that the caller wants in the audit. Of a message: its digest.
    pub context_hash: Option<Hash>,
}

/// The identity that a caller presents. Each operation checks the parts it relies on.
#[derive(Clone, Copy, Debug)]
pub enum Principal {
    /// No known identity.
    Anonymous,
    /// The holder of this API key, which may or may not be in `kms.api_keys`.
    ApiKey(KeyHash),
    /// The holder of a relay's invitation.
    Invited(SignedInvitation),
    /// The relay whose key has this address; that key must have signed the command.
    RelaySigner(Address),
    /// The signers of the command itself: the admin, or the relay keys of a rotation.
    Admin,
    /// The gateway's own process.
    Internal,
    /// The relay in the gateway's own process, which has signed the command with the key of this
    /// address. Only the TEE verifies the signature.
    OwnRelay(Address),
}

impl Caller {
    /// A request from outside.
    #[must_use]
    pub fn new(request_id: String, client: Client, principal: Principal) -> Self {
        Self { request_id, client, principal, passkey_public_key: None, context_hash: None }
    }

    /// A request of this process.
    #[must_use]
    pub fn internal(request_id: impl Into<String>) -> Self {
        Self::new(request_id.into(), Client::default(), Principal::Internal)
    }

    /// A command that this process has just signed with the relay key of that address.
    #[must_use]
    pub fn own_relay(request_id: impl Into<String>, key: Address) -> Self {
        Self::new(request_id.into(), Client::default(), Principal::OwnRelay(key))
    }

    /// The same request with an invitation, if there is one: it takes precedence over an API key.
    #[must_use]
    pub fn invited_by(self, invitation: Option<SignedInvitation>) -> Self {
        let principal = invitation.map_or(self.principal, Principal::Invited);
        Self { principal, ..self }
    }
}
