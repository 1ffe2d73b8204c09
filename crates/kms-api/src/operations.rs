//! Signature requests by a relay. Headers contain its address and its signature over the request
//! digest (protocol, section 5).

use proto::bytes::BoundedBytes;
use proto::command::{self, PasskeyPublicKey, SponsorReply};
use proto::json::passkey::assertion_to_json;
use proto::json::user_operation_to_json;
use proto::limits::{MAX_PAYMASTER_DATA, MAX_PAYMASTER_SIGNATURE};
use proto::{AccountId, Address, Quantity, Signature, UserOpHash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json;

/// Requests that an operation be sponsored, and signed by its account if a passkey approved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SponsorOperation {
    /// The operation without paymaster, parsed by [`proto::json::parse_user_operation`].
    pub user_operation: Value,
    /// The account.
    pub account_id: AccountId,
    /// The only supported format.
    pub signature_format: Option<SignatureFormat>,
    /// AuthenticationResponseJSON, parsed by [`proto::json::passkey::parse_assertion`]. `None`
    /// requires the permission `sponsor_without_passkey`.
    pub user_signature: Option<Value>,
    /// Refused unless it is the passkey's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_public_key: Option<PasskeyPublicKey>,
    /// The relay's own data; its hash is audited.
    pub business_validation: Option<Map<String, Value>>,
    /// Unique for each relay key within 600 s.
    pub nonce: Quantity<u64>,
    /// Unix seconds.
    #[serde(deserialize_with = "json::number")]
    pub timestamp: u64,
    /// Default: the first deployment's.
    pub entry_point: Option<Address>,
    /// Default: the first deployment's.
    pub chain_id: Option<Quantity<u64>>,
    /// The paymaster, and the window.
    pub terms: Terms,
}

/// Requests that an operation be signed by its account as given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignOperation {
    /// The operation with its paymaster, ours or a third party's.
    pub user_operation: Value,
    /// The account.
    pub account_id: AccountId,
    /// The only supported format.
    pub signature_format: Option<SignatureFormat>,
    /// AuthenticationResponseJSON, parsed by [`proto::json::passkey::parse_assertion`].
    pub user_signature: Value,
    /// Refused unless it is the passkey's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_public_key: Option<PasskeyPublicKey>,
    /// The relay's own data; its hash is audited.
    pub business_validation: Option<Map<String, Value>>,
    /// Unique for each relay key within 600 s.
    pub nonce: Quantity<u64>,
    /// Unix seconds.
    #[serde(deserialize_with = "json::number")]
    pub timestamp: u64,
    /// Default: the first deployment's.
    pub entry_point: Option<Address>,
    /// Default: the first deployment's.
    pub chain_id: Option<Quantity<u64>>,
}

/// The only supported format; naming it is optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureFormat {
    /// A signature over the user operation hash.
    Erc4337,
}

/// The paymaster, and the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    /// The paymaster contract.
    pub paymaster: Address,
    /// Gas for its validation; 0 on v0.6.
    pub paymaster_verification_gas_limit: Quantity<u128>,
    /// Gas for its postOp; 0 on v0.6.
    pub paymaster_post_op_gas_limit: Quantity<u128>,
    /// Unix seconds, inclusive.
    #[serde(deserialize_with = "json::number")]
    pub valid_until: u64,
    /// Unix seconds.
    #[serde(deserialize_with = "json::number")]
    pub valid_after: u64,
}

/// The signatures of a sponsored operation, and its paymaster fields in the form of its EntryPoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SponsoredOperation {
    /// Always true.
    pub success: bool,
    /// The paymaster contract. Absent on v0.6, like the following three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paymaster: Option<Address>,
    /// Gas for its validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paymaster_verification_gas_limit: Option<Quantity<u128>>,
    /// Gas for its postOp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paymaster_post_op_gas_limit: Option<Quantity<u128>>,
    /// The contract's own data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paymaster_data: Option<BoundedBytes<MAX_PAYMASTER_DATA>>,
    /// All paymaster fields in the EntryPoint's format.
    pub paymaster_and_data: BoundedBytes<MAX_PAYMASTER_AND_DATA>,
    /// Address of the key that signed for the paymaster.
    pub paymaster_signer: Address,
    /// The paymaster's signature over the EIP-712 paymaster digest.
    pub paymaster_signature: Signature,
    /// The account's signature over `user_op_hash`. `None` when there was no passkey.
    pub signature: Option<Signature>,
    /// `getUserOpHash` of the final operation.
    pub user_op_hash: UserOpHash,
    /// The TEE that signed: the address of its paymaster key.
    pub tee_device_id: Address,
    /// The proofs that the TEE verified.
    pub verification_proof: VerificationProof,
}

/// Maximum length of `paymasterAndData`, in bytes: the fixed fields, the data, and the signature
/// outside the hash (v0.9).
pub const MAX_PAYMASTER_AND_DATA: usize = 20 + 32 + MAX_PAYMASTER_DATA + MAX_PAYMASTER_SIGNATURE + 10;

/// The account's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedOperation {
    /// Always true.
    pub success: bool,
    /// The signature over `user_op_hash`.
    pub signature: Signature,
    /// `getUserOpHash` of the operation.
    pub user_op_hash: UserOpHash,
    /// The TEE that signed: the address of its paymaster key.
    pub tee_device_id: Address,
    /// The proofs that the TEE verified.
    pub verification_proof: VerificationProof,
}

/// The proofs that the TEE verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationProof {
    /// Whether both the relay and the user approved.
    pub dual_signature_mode: bool,
    /// Whether the relay approved: always true.
    pub paymaster_verified: bool,
    /// Whether the user approved.
    pub user_passkey_verified: bool,
    /// The request's timestamp, in Unix seconds.
    pub timestamp: u64,
}

impl VerificationProof {
    /// The proofs of a request with that timestamp, with or without a passkey.
    #[must_use]
    pub const fn new(with_passkey: bool, timestamp: u64) -> Self {
        let user_passkey_verified = with_passkey;
        Self { dual_signature_mode: with_passkey, paymaster_verified: true, user_passkey_verified, timestamp }
    }
}

impl From<&proto::Terms> for Terms {
    fn from(terms: &proto::Terms) -> Self {
        Self {
            paymaster: terms.paymaster,
            paymaster_verification_gas_limit: Quantity(terms.verification_gas_limit),
            paymaster_post_op_gas_limit: Quantity(terms.post_op_gas_limit),
            valid_until: terms.valid_until,
            valid_after: terms.valid_after,
        }
    }
}

impl From<Terms> for proto::Terms {
    fn from(terms: Terms) -> Self {
        Self {
            paymaster: terms.paymaster,
            verification_gas_limit: terms.paymaster_verification_gas_limit.0,
            post_op_gas_limit: terms.paymaster_post_op_gas_limit.0,
            valid_until: terms.valid_until,
            valid_after: terms.valid_after,
        }
    }
}

/// Omits the relay's signature, which is a header.
impl From<&command::Sponsor> for SponsorOperation {
    fn from(command: &command::Sponsor) -> Self {
        Self {
            user_operation: user_operation_to_json(&command.op, command.entry_point.version).into(),
            account_id: command.account_id.clone(),
            signature_format: Some(SignatureFormat::Erc4337),
            user_signature: command.passkey.as_ref().map(assertion_to_json),
            user_public_key: None,
            business_validation: Some(Map::new()),
            nonce: Quantity(command.approval.nonce),
            timestamp: command.approval.timestamp,
            entry_point: Some(command.entry_point.address),
            chain_id: Some(Quantity(command.entry_point.chain_id)),
            terms: (&command.terms).into(),
        }
    }
}

/// The other fields repeat the request.
impl From<SponsoredOperation> for SponsorReply {
    fn from(sponsored: SponsoredOperation) -> Self {
        Self {
            user_op_hash: sponsored.user_op_hash,
            paymaster_signer: sponsored.paymaster_signer,
            paymaster_signature: sponsored.paymaster_signature,
            account_signature: sponsored.signature,
        }
    }
}
