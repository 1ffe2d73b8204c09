//! Signatures of accounts over messages, for login. A page asks for them: the passkey's approval is
//! the only one they need (protocol, section 2.8).

use proto::bytes::{Bounded, BoundedBytes};
use proto::command::AccountDomain;
use proto::limits::{MAX_DOMAIN_TEXT, MAX_MESSAGE};
use proto::{AccountId, Address, Hash, Quantity, Signature};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Requests an account's signature over a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignMessage {
    /// The account.
    pub account_id: AccountId,
    /// The message's bytes, without a prefix.
    pub message: BoundedBytes<MAX_MESSAGE>,
    /// What the account's contract verifies.
    pub form: Form,
    /// Of the account's contract, for [`Form::PersonalSign`] only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// AuthenticationResponseJSON, parsed by [`proto::json::passkey::parse_assertion`].
    pub user_signature: Value,
}

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// EIP-191, for an account that recovers its owner from the hash as it gets it.
    #[serde(rename = "eip191")]
    Eip191,
    /// `PersonalSign` of ERC-7739, in the domain of the account's contract.
    #[serde(rename = "personalSign")]
    PersonalSign,
}

/// An EIP-712 domain (ERC-5267).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    /// Of the contract.
    pub name: Bounded<String, MAX_DOMAIN_TEXT>,
    /// Of the contract.
    pub version: Bounded<String, MAX_DOMAIN_TEXT>,
    /// EIP-155 chain id.
    pub chain_id: Quantity<u64>,
    /// The account's contract.
    pub verifying_contract: Address,
    /// Only if the contract's domain has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<Hash>,
}

/// The account's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedMessage {
    /// Always true.
    pub success: bool,
    /// The signature over `digest`, of 65 bytes. Contracts may want it wrapped (ERC-6492).
    pub signature: Signature,
    /// The digest of the message in its form.
    pub digest: Hash,
    /// The address of the account's key.
    pub owner_address: Address,
    /// The TEE that signed: the address of its paymaster key.
    pub tee_device_id: Address,
}

impl From<Domain> for AccountDomain {
    fn from(domain: Domain) -> Self {
        let Domain { name, version, chain_id: Quantity(chain_id), verifying_contract, salt } = domain;
        Self { name, version, chain_id, verifying_contract, salt }
    }
}
