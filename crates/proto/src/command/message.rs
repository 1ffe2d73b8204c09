//! Messages that an account signs, for login: EIP-191, and the `PersonalSign` of ERC-7739
//! (protocol, section 2.8). The signed digest is computed from the fields, and is never that of a
//! user operation.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::reply_length::{ADDRESS, HASH};
use super::sponsorship::PasskeyAssertion;
use crate::abi::{Argument, DOMAIN_TYPE, DOMAIN_TYPE_WITH_SALT, Word, encode, hash_words, typed_data_hash};
use crate::account_id::AccountId;
use crate::bytes::{Bounded, BoundedBytes};
use crate::digest::personal_message_hash;
use crate::entry_point::EntryPointVersion;
use crate::limits;
use crate::primitives::{Address, Hash, IntentHash, keccak256};
use crate::signature::Signature;
use crate::user_operation;

/// Domain separator: distinguishes the approval of a message from every other challenge.
pub const MESSAGE_DOMAIN: &str = "SuperRelay message v1";

/// The length of a `userOpHash`, in bytes. SimpleAccounts of v0.6 and v0.7 accept its EIP-191
/// signature for the operation, and an account may verify operations as it does messages: no
/// message of this length is signed in any form.
pub const OPERATION_HASH_LENGTH: usize = 32;

/// Requests an account's signature over a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignMessage {
    /// The account.
    pub account_id: AccountId,
    /// The message, without a prefix.
    pub message: BoundedBytes<{ limits::MAX_MESSAGE }>,
    /// What the account's contract verifies.
    pub form: MessageForm,
    /// The user's approval.
    pub passkey: PasskeyAssertion,
}

/// How a message is signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageForm {
    /// EIP-191, version 0x45 (`personal_sign`): for externally owned accounts, and contracts that
    /// recover the owner from the hash as they get it.
    Eip191,
    /// `PersonalSign(bytes prefixed)` in the domain of the account's contract (ERC-7739), where
    /// `prefixed` is the message with its EIP-191 prefix.
    PersonalSign(AccountDomain),
}

/// The EIP-712 domain of an account's contract, as its `eip712Domain()` returns it (ERC-5267).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountDomain {
    /// Of the contract.
    pub name: Bounded<String, { limits::MAX_DOMAIN_TEXT }>,
    /// Of the contract.
    pub version: Bounded<String, { limits::MAX_DOMAIN_TEXT }>,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The account's contract.
    pub verifying_contract: Address,
    /// In the domain's type only if there is one.
    pub salt: Option<Hash>,
}

/// The account's signature over a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignMessageReply {
    /// [`SignMessage::digest`].
    pub digest: Hash,
    /// Address of the account's key.
    pub owner: Address,
    /// Over `digest`.
    pub signature: Signature,
}

impl SignMessageReply {
    /// Length of the longest encoding, in bytes.
    pub(super) const LONGEST: usize = HASH + ADDRESS + Signature::LENGTH;
}

impl SignMessage {
    /// The digest that the account's key signs.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let hash = personal_message_hash(&self.message);
        match &self.form {
            MessageForm::Eip191 => hash,
            MessageForm::PersonalSign(domain) => {
                let personal_sign = hash_words(&[&keccak256("PersonalSign(bytes prefixed)"), &hash]);
                typed_data_hash(&domain.separator(), &personal_sign)
            }
        }
    }

    /// The hash that the user's passkey signs: `keccak256(abi.encode(bytes32 domain, bytes32
    /// digest, string accountId))`, where `domain` is the hash of [`MESSAGE_DOMAIN`].
    #[must_use]
    pub fn intent_hash(&self) -> IntentHash {
        let Hash(hash) = keccak256(encode(&[
            Argument::Static(&keccak256(MESSAGE_DOMAIN)),
            Argument::Static(&self.digest()),
            Argument::Dynamic(self.account_id.as_str().as_bytes()),
        ]));
        IntentHash(hash)
    }
}

impl AccountDomain {
    /// Whether it is the domain of an EntryPoint, by the name in which v0.8 and later hash
    /// operations, or by its canonical address.
    #[must_use]
    pub fn is_of_entry_point(&self) -> bool {
        let mut canonical = EntryPointVersion::ALL.iter().map(|version| version.canonical_address());
        *self.name == user_operation::DOMAIN_NAME || canonical.any(|address| address == self.verifying_contract)
    }

    /// The domain separator (EIP-712, "Definition of domainSeparator").
    #[must_use]
    pub fn separator(&self) -> Hash {
        let of_type = keccak256(if self.salt.is_some() { DOMAIN_TYPE_WITH_SALT } else { DOMAIN_TYPE });
        let (name, version) = (keccak256(self.name.as_bytes()), keccak256(self.version.as_bytes()));
        let fields: [&dyn Word; 5] = [&of_type, &name, &version, &self.chain_id, &self.verifying_contract];
        match &self.salt {
            None => hash_words(&fields),
            Some(salt) => hash_words(&[&fields[..], &[salt]].concat()),
        }
    }
}
