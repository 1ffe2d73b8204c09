//! What the methods answer. ERC-7677 answers carry their own keys and no others: clients spread
//! them into the operation.

use proto::bytes::{BoundedBytes, PaymasterData};
use proto::command::{CredentialId, SignatureScheme};
use proto::json::hex_bytes;
use proto::json::passkey::to_base64url;
use proto::limits::MAX_PAYMASTER_SIGNATURE;
use proto::{Address, EntryPointVersion, IntentHash, Paymaster, Quantity, Signature, TeeId, UserOpHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::schema::{
    AccountIdText, AddressText, Base64UrlText, BytesText, DecimalText, HashText, QuantityText, SignatureText,
    UserOperationObject,
};

/// The client's own operation, ready to send, and everything that is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SponsoredOperation {
    /// True.
    pub success: bool,
    /// The client's own, with paymaster fields and signature put in; nothing else changed.
    #[schemars(with = "UserOperationObject")]
    pub user_operation: Map<String, Value>,
    /// The paymaster fields packed, as v0.6 sends it and later EntryPoints hash it.
    #[schemars(with = "BytesText")]
    pub paymaster_and_data: String,
    /// By the account's key in the TEE; null without a passkey.
    #[schemars(with = "Option<SignatureText>")]
    pub signature: Option<Signature>,
    /// `getUserOpHash` of the complete operation.
    #[schemars(with = "HashText")]
    pub user_op_hash: UserOpHash,
    /// Unix seconds.
    pub valid_until: u64,
    /// Unix seconds.
    pub valid_after: u64,
    /// Address of the paymaster's key in the TEE, which never leaves it; the contract admits it.
    #[schemars(with = "AddressText")]
    pub tee_device_id: Address,
    /// The name of this request.
    pub request_id: String,
    /// Who approved.
    pub verification_proof: VerificationProof,
    /// The paymaster fields once more; none of them on v0.6.
    #[serde(flatten)]
    pub paymaster_fields: Option<LaterPaymasterFields>,
}

/// Who approved a sponsorship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationProof {
    /// The relay's key and a passkey did.
    pub dual_signature_mode: bool,
    /// The relay's key did: always.
    pub paymaster_verified: bool,
    /// A passkey did.
    pub user_passkey_verified: bool,
    /// Unix seconds.
    pub timestamp: u64,
}

/// The paymaster fields of an operation, in the names of its EntryPoint's version (ERC-7677).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PaymasterFields {
    /// From v0.7 on.
    Later(LaterPaymasterFields),
    /// v0.6.
    #[serde(rename_all = "camelCase")]
    V06 {
        /// Packed.
        #[schemars(with = "BytesText")]
        paymaster_and_data: String,
    },
}

/// The paymaster fields of an operation from v0.7 on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaterPaymasterFields {
    /// The contract.
    #[schemars(with = "AddressText")]
    pub paymaster: Address,
    /// Gas for its validation.
    #[schemars(with = "QuantityText")]
    pub paymaster_verification_gas_limit: Quantity<u128>,
    /// Gas for its postOp.
    #[schemars(with = "QuantityText")]
    pub paymaster_post_op_gas_limit: Quantity<u128>,
    /// The contract's own data.
    #[schemars(with = "BytesText")]
    pub paymaster_data: PaymasterData,
    /// Outside the hash; v0.9 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BytesText>")]
    pub paymaster_signature: Option<BoundedBytes<MAX_PAYMASTER_SIGNATURE>>,
}

/// Paymaster fields for an estimate (ERC-7677).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StubData {
    /// With a signature that never validates.
    #[serde(flatten)]
    pub fields: PaymasterFields,
    /// Who pays.
    pub sponsor: SponsorName,
    /// False: the signature is still to come.
    pub is_final: bool,
}

/// Who pays, as ERC-7677 tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SponsorName {
    /// As the operator set it.
    pub name: String,
}

/// What a passkey has to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The challenge.
    #[schemars(with = "HashText")]
    pub intent_hash: IntentHash,
    /// Of the operation without any paymaster.
    #[schemars(with = "HashText")]
    pub user_op_hash: UserOpHash,
    /// What a page hands to `navigator.credentials.get`.
    pub webauthn: CredentialRequest,
}

/// PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3, section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRequest {
    /// The intent hash.
    #[schemars(with = "Base64UrlText")]
    pub challenge: String,
    /// The relying party.
    pub rp_id: String,
    /// The account's passkeys.
    pub allow_credentials: Vec<Credential>,
    /// `required`.
    pub user_verification: String,
    /// Milliseconds that a browser gives the user.
    pub timeout: u32,
}

/// PublicKeyCredentialDescriptorJSON (WebAuthn Level 3, section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    #[schemars(with = "Base64UrlText")]
    pub id: String,
}

/// An account as the TEE and the operator know it. Passkeys by id only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// Its name.
    #[schemars(with = "AccountIdText")]
    pub account_id: String,
    /// Of its key in the TEE, which owns the account's contract.
    #[schemars(with = "AddressText")]
    pub address: Address,
    /// How that key signs operations.
    #[schemars(with = "SchemeName")]
    pub signature_scheme: SignatureScheme,
    /// Credential ids.
    #[schemars(with = "Vec<Base64UrlText>")]
    pub passkeys: Vec<String>,
    /// Whether the operator has it listed, and active.
    pub active: bool,
    /// By the operator's list; null where it is not listed.
    #[schemars(with = "Option<DecimalText>")]
    pub balance: Option<String>,
    /// By the operator's list; null where it is not listed.
    pub membership: Option<String>,
    /// Of the policies that the caller may choose.
    pub limits: Vec<PolicyLimit>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "the names in the schema")]
enum SchemeName {
    Eip191,
    Raw,
}

/// What a policy allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyLimit {
    /// Its name.
    pub policy_id: String,
    /// Wei, at worst, that one operation may cost.
    #[schemars(with = "DecimalText")]
    pub max_cost_per_operation: String,
}

/// An invitation to make accounts at the KMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// What the KMS takes.
    pub invitation: String,
    /// The TEE that it is for.
    #[schemars(with = "HashText")]
    pub tee_id: TeeId,
    /// Unix seconds.
    pub expires_at: u64,
    /// Accounts.
    pub max_uses: u32,
}

impl PaymasterFields {
    /// Of a paymaster, as operations of `version` have them.
    #[must_use]
    pub fn of(paymaster: &Paymaster, version: EntryPointVersion) -> Self {
        match LaterPaymasterFields::of(paymaster, version) {
            Some(fields) => Self::Later(fields),
            None => Self::V06 { paymaster_and_data: hex_bytes(&paymaster.and_data(version)) },
        }
    }
}

impl LaterPaymasterFields {
    /// `None` for v0.6.
    #[must_use]
    pub fn of(paymaster: &Paymaster, version: EntryPointVersion) -> Option<Self> {
        (version != EntryPointVersion::V06).then(|| Self {
            paymaster: paymaster.address,
            paymaster_verification_gas_limit: Quantity(paymaster.verification_gas_limit),
            paymaster_post_op_gas_limit: Quantity(paymaster.post_op_gas_limit),
            paymaster_data: paymaster.data.clone(),
            paymaster_signature: paymaster.signature.clone(),
        })
    }
}

impl Credential {
    /// A passkey.
    #[must_use]
    pub fn passkey(id: &CredentialId) -> Self {
        Self { kind: "public-key".to_owned(), id: to_base64url(id) }
    }
}
