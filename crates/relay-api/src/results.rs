//! The results of the methods. ERC-7677 results contain their own keys and no others: clients
//! spread them into the operation.

use proto::bytes::{BoundedBytes, PaymasterData};
use proto::command::{CredentialId, SignatureScheme};
use proto::json::hex_bytes;
use proto::json::passkey::to_base64url;
use proto::limits::MAX_PAYMASTER_SIGNATURE;
use proto::{Address, EntryPointVersion, IntentHash, Paymaster, Quantity, Signature, TeeId, UserOpHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::schema::{
    AccountIdText, AddressText, Base64UrlText, BytesText, DecimalText, HashText, QuantityText, SignatureText,
    UserOperationObject,
};
use crate::verdicts::{DryRun, Verdict};

/// The client's own operation, ready to send, and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SponsoredOperation {
    /// Always true.
    pub success: bool,
    /// The client's own operation with paymaster fields and signature added; nothing else is
    /// changed.
    #[schemars(with = "UserOperationObject")]
    pub user_operation: Map<String, Value>,
    /// The packed paymaster fields, as v0.6 sends them and later EntryPoints hash them.
    #[schemars(with = "BytesText")]
    pub paymaster_and_data: String,
    /// The signature of the account's key in the TEE; null without a passkey.
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
    /// The id of this request.
    pub request_id: String,
    /// The approvals.
    pub verification_proof: VerificationProof,
    /// The paymaster fields, unpacked; absent on v0.6.
    #[serde(flatten)]
    pub paymaster_fields: Option<LaterPaymasterFields>,
}

/// A sponsored operation, or the verdicts on it where the request is a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SponsorResult {
    /// With `dryRun`.
    DryRun(DryRun),
    /// Otherwise.
    Sponsored(Box<SponsoredOperation>),
}

/// The approvals of a sponsorship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationProof {
    /// Whether both the relay's key and a passkey approved.
    pub dual_signature_mode: bool,
    /// Whether the relay's key approved: always true.
    pub paymaster_verified: bool,
    /// Whether a passkey approved.
    pub user_passkey_verified: bool,
    /// Unix seconds.
    pub timestamp: u64,
}

/// The paymaster fields of an operation, with the names of its EntryPoint's version (ERC-7677).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PaymasterFields {
    /// v0.7 and later.
    Later(LaterPaymasterFields),
    /// v0.6.
    #[serde(rename_all = "camelCase")]
    V06 {
        /// Packed.
        #[schemars(with = "BytesText")]
        paymaster_and_data: String,
    },
}

/// The paymaster fields of an operation, v0.7 and later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaterPaymasterFields {
    /// The paymaster contract.
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
    /// The signature outside the hash; v0.9 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BytesText>")]
    pub paymaster_signature: Option<BoundedBytes<MAX_PAYMASTER_SIGNATURE>>,
}

/// Paymaster fields for an estimate (ERC-7677).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StubData {
    /// The fields, with a signature that never validates.
    #[serde(flatten)]
    pub fields: PaymasterFields,
    /// Who pays.
    pub sponsor: SponsorName,
    /// Always false: the signature is added later.
    pub is_final: bool,
}

/// The gas and the paymaster fields of a sponsored operation (Pimlico's `pm_sponsorUserOperation`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SponsoredGas {
    /// As sent, or as estimated.
    #[schemars(with = "QuantityText")]
    pub call_gas_limit: Quantity<u128>,
    /// As sent, or as estimated.
    #[schemars(with = "QuantityText")]
    pub verification_gas_limit: Quantity<u128>,
    /// As sent, or as estimated.
    #[schemars(with = "QuantityText")]
    pub pre_verification_gas: Quantity<u128>,
    /// The paymaster fields.
    #[serde(flatten)]
    pub fields: PaymasterFields,
}

/// A policy that would sponsor an operation (Pimlico's `pm_validateSponsorshipPolicies`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidPolicy {
    /// Its id.
    pub sponsorship_policy_id: String,
    /// What a wallet may show of it.
    pub data: PolicyData,
    /// With the option `verdicts`: whether it would sponsor the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsors: Option<bool>,
    /// With the option `verdicts`: what each rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<Vec<Verdict>>,
}

/// What a wallet may show of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyData {
    /// Its id.
    pub name: Option<String>,
    /// The sponsor's name.
    pub author: Option<String>,
    /// Always null.
    pub icon: Option<String>,
    /// Always null.
    pub description: Option<String>,
}

impl ValidPolicy {
    /// The policy with that id, of that sponsor.
    #[must_use]
    pub fn new(id: String, sponsor: String) -> Self {
        let data = PolicyData { name: Some(id.clone()), author: Some(sponsor), icon: None, description: None };
        Self { sponsorship_policy_id: id, data, sponsors: None, verdicts: None }
    }
}

/// The sponsor, in the form of ERC-7677.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SponsorName {
    /// As set by the operator.
    pub name: String,
}

/// What a passkey has to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The hash of the operation and its account; the challenge unless a list is approved.
    #[schemars(with = "HashText")]
    pub intent_hash: IntentHash,
    /// The hash of the operation without any paymaster.
    #[schemars(with = "HashText")]
    pub user_op_hash: UserOpHash,
    /// The options for `navigator.credentials.get`.
    pub webauthn: CredentialRequest,
}

/// PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3, section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRequest {
    /// The intent hash, or the hash of the list.
    #[schemars(with = "Base64UrlText")]
    pub challenge: String,
    /// The relying party.
    pub rp_id: String,
    /// The account's passkeys.
    pub allow_credentials: Vec<Credential>,
    /// `required`.
    pub user_verification: String,
    /// Time that the browser gives the user, in milliseconds.
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

/// An account as the TEE and the operator know it. Passkeys are listed by id only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// The account's id.
    #[schemars(with = "AccountIdText")]
    pub account_id: String,
    /// Address of its key in the TEE, which owns the account's contract.
    #[schemars(with = "AddressText")]
    pub address: Address,
    /// The scheme in which that key signs operations.
    #[schemars(with = "SchemeName")]
    pub signature_scheme: SignatureScheme,
    /// Credential ids.
    #[schemars(with = "Vec<Base64UrlText>")]
    pub passkeys: Vec<String>,
    /// Whether the operator's entry for the account, or else for all others, says so.
    pub active: bool,
    /// From the operator's entry for the account, or else for all others; null if there is neither.
    #[schemars(with = "Option<DecimalText>")]
    pub balance: Option<String>,
    /// From the operator's entry for the account, or else for all others; null if there is neither.
    pub membership: Option<String>,
    /// The limits of the policies that the caller may choose.
    pub limits: Vec<PolicyLimit>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "the names in the schema")]
enum SchemeName {
    Eip191,
    Raw,
}

/// The limits of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyLimit {
    /// The policy's id.
    pub policy_id: String,
    /// The maximum worst-case cost of one operation, in wei.
    #[schemars(with = "DecimalText")]
    pub max_cost_per_operation: String,
}

/// An invitation to create accounts at the KMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The text that the KMS accepts.
    pub invitation: String,
    /// The TEE that it is valid for.
    #[schemars(with = "HashText")]
    pub tee_id: TeeId,
    /// Unix seconds.
    pub expires_at: u64,
    /// Number of accounts.
    pub max_uses: u32,
}

/// A bundler's result, as it answered it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundlerResult(pub Box<RawValue>);

impl PaymasterFields {
    /// The fields of a paymaster, for operations of `version`.
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
    /// The descriptor of a passkey.
    #[must_use]
    pub fn passkey(id: &CredentialId) -> Self {
        Self { kind: "public-key".to_owned(), id: to_base64url(id) }
    }
}

impl SponsorResult {
    /// The sponsored operation; `None` of a dry run.
    #[must_use]
    pub fn sponsored(self) -> Option<SponsoredOperation> {
        match self {
            Self::Sponsored(sponsored) => Some(*sponsored),
            Self::DryRun(_) => None,
        }
    }
}
