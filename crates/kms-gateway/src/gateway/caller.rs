//! Who asks, and what they say about themselves.

use api_keys::KeyHash;
use proto::command::PasskeyPublicKey;
use proto::json::invitation::SignedInvitation;
use proto::{Address, Hash};
use serve::Client;

/// The request that a command came with. Every surface makes one of its own way to carry
/// credentials; what the gateway does looks at nothing else.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Goes into the audit and every answer.
    pub request_id: String,
    /// From where it came.
    pub client: Client,
    /// Who it says it is.
    pub principal: Principal,
    /// The public key of the passkey, named beside the command; it must be that of the account.
    pub passkey_public_key: Option<PasskeyPublicKey>,
    /// Keccak-256 of whatever the caller wants to be in the audit.
    pub context_hash: Option<Hash>,
}

/// Who a caller says they are, by what they showed. What of it has to hold is checked where it
/// matters.
#[derive(Clone, Copy, Debug)]
pub enum Principal {
    /// Nobody that is known.
    Anonymous,
    /// The holder of this API key, of `kms.api_keys` or not.
    ApiKey(KeyHash),
    /// Whoever was given an invitation by a relay.
    Invited(SignedInvitation),
    /// The relay whose key has this address; that key has to have signed the command.
    RelaySigner(Address),
    /// Whoever signed the command itself: the admin, or the relay keys of a rotation.
    Admin,
    /// The process that the gateway is in.
    Internal,
}

impl Caller {
    /// A request from elsewhere.
    #[must_use]
    pub fn new(request_id: String, client: Client, principal: Principal) -> Self {
        Self { request_id, client, principal, passkey_public_key: None, context_hash: None }
    }

    /// This process asks.
    #[must_use]
    pub fn internal(request_id: impl Into<String>) -> Self {
        Self::new(request_id.into(), Client::default(), Principal::Internal)
    }

    /// The same request with an invitation, if there is one: it goes before an API key.
    #[must_use]
    pub fn invited_by(self, invitation: Option<SignedInvitation>) -> Self {
        let principal = invitation.map_or(self.principal, Principal::Invited);
        Self { principal, ..self }
    }
}
