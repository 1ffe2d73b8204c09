//! A request to sponsor an operation, or to sign it as given; each part can be changed before or
//! after it is signed.

use devkit::SoftPasskey;
use kms_api::Route as _;
use kms_api::headers::{PAYMASTER_ADDRESS, PAYMASTER_SIGNATURE};
use kms_api::operations::{self, SignOperation, SignatureFormat, SponsorOperation};
use proto::command::{RelayApproval, SignWithHybridKey, Sponsor};
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, parse_user_operation};
use proto::{AccountId, Address, EntryPoint, EntryPointVersion, Quantity, Signature, Terms, UserOperation};
use serde_json::{Value, json};

use crate::support::{Kms, NOW, PAYMASTER, RelayKey, entry_point};

const UNSIGNED: Signature = Signature::UNSIGNED;

/// The HTTP request, and the passkey that approves it.
pub struct SponsorRequest {
    pub passkey: SoftPasskey,
    pub account_id: AccountId,
    pub entry_point: EntryPoint,
    pub op: Value,
    pub terms: Terms,
    pub nonce: u64,
    pub timestamp: u64,
    pub user_signature: Option<Value>,
    pub claimed_signer: Address,
    pub relay_signature: Signature,
    /// Additional or replaced fields of the body.
    pub extra: Value,
}

impl SponsorRequest {
    /// An unsigned request of the account that `create-deterministic-account` returned, on
    /// EntryPoint v0.7.
    pub fn new(passkey: SoftPasskey, account: &Value) -> Self {
        Self {
            passkey,
            account_id: account["accountId"].as_str().unwrap().parse().unwrap(),
            entry_point: entry_point(EntryPointVersion::V07),
            op: operation(EntryPointVersion::V07),
            terms: Terms {
                paymaster: PAYMASTER,
                verification_gas_limit: 60_000,
                post_op_gas_limit: 0,
                valid_until: NOW + 600,
                valid_after: NOW - 60,
            },
            nonce: 1,
            timestamp: NOW,
            user_signature: None,
            claimed_signer: Address::default(),
            relay_signature: UNSIGNED,
            extra: json!({}),
        }
    }

    /// The same on another EntryPoint.
    pub fn on(mut self, version: EntryPointVersion) -> Self {
        self.entry_point = entry_point(version);
        self.op = operation(version);
        if version == EntryPointVersion::V06 {
            self.terms.verification_gas_limit = 0;
        }
        self
    }

    /// Signs it with its passkey and the relay.
    pub fn signed(mut self, relay: &RelayKey) -> Self {
        self.approve_as_user();
        self.approve_as_relay(relay);
        self
    }

    pub fn approve_as_user(&mut self) {
        let intent = self.command().intent_hash();
        self.user_signature = Some(self.passkey.assert_challenge(&intent.0).unwrap());
    }

    pub fn approve_as_relay(&mut self, relay: &RelayKey) {
        self.claimed_signer = relay.address();
        self.relay_signature = relay.personal_sign(&self.command().request_digest().0);
    }

    /// The same request again, with another nonce.
    pub fn next(mut self, relay: &RelayKey) -> Self {
        self.nonce += 1;
        self.approve_as_relay(relay);
        self
    }

    /// The command that the gateway has to build from it.
    pub fn command(&self) -> Sponsor {
        let passkey = self.user_signature.as_ref().map(|json| parse_assertion(json).unwrap());
        Sponsor {
            entry_point: self.entry_point,
            account_id: self.account_id.clone(),
            op: self.operation(),
            terms: self.terms,
            passkey,
            approval: self.approval(),
        }
    }

    fn operation(&self) -> UserOperation {
        let EntryPoint { version, chain_id, .. } = self.entry_point;
        parse_user_operation(&self.op, version, chain_id, GasFields::Required).unwrap().op
    }

    fn approval(&self) -> RelayApproval {
        RelayApproval { nonce: self.nonce, timestamp: self.timestamp, signature: self.relay_signature }
    }

    pub fn body(&self) -> Value {
        let mut body = json!(self.to_sign());
        body["terms"] = json!(operations::Terms::from(&self.terms));
        self.with_extra(body)
    }

    /// `POST /kms/sponsor-user-operation`.
    pub fn over_http(&self, kms: &Kms) -> reqwest::RequestBuilder {
        self.with_headers(kms.client.post(format!("{}{}", kms.url, SponsorOperation::PATH))).json(&self.body())
    }

    /// Signs it for `POST /kms/sign-user-operation`: the operation as given, including its
    /// paymaster.
    pub fn signed_as_given(mut self, relay: &RelayKey) -> Self {
        self.user_signature = Some(self.passkey.assert_challenge(&[0; 32]).unwrap());
        let intent = self.sign_command().intent_hash();
        self.user_signature = Some(self.passkey.assert_challenge(&intent.0).unwrap());
        self.claimed_signer = relay.address();
        self.relay_signature = relay.personal_sign(&self.sign_command().request_digest().0);
        self
    }

    pub fn sign_command(&self) -> SignWithHybridKey {
        SignWithHybridKey {
            entry_point: self.entry_point,
            account_id: self.account_id.clone(),
            op: self.operation(),
            passkey: parse_assertion(self.user_signature.as_ref().unwrap()).unwrap(),
            approval: self.approval(),
        }
    }

    /// `POST /kms/sign-user-operation`.
    pub fn to_be_signed(&self, kms: &Kms) -> reqwest::RequestBuilder {
        let body = self.with_extra(json!(self.to_sign()));
        self.with_headers(kms.client.post(format!("{}{}", kms.url, SignOperation::PATH))).json(&body)
    }

    fn to_sign(&self) -> SignOperation {
        SignOperation {
            user_operation: self.op.clone(),
            account_id: self.account_id.clone(),
            signature_format: Some(SignatureFormat::Erc4337),
            user_signature: json!(self.user_signature),
            user_public_key: None,
            business_validation: Some([("policy".to_owned(), json!("test"))].into_iter().collect()),
            nonce: Quantity(self.nonce),
            timestamp: self.timestamp,
            entry_point: Some(self.entry_point.address),
            chain_id: Some(Quantity(self.entry_point.chain_id)),
        }
    }

    fn with_extra(&self, mut body: Value) -> Value {
        for (name, value) in self.extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    fn with_headers(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request
            .header(PAYMASTER_SIGNATURE, self.relay_signature.to_string())
            .header(PAYMASTER_ADDRESS, self.claimed_signer.to_string())
    }
}

/// An operation with a worst-case cost of 0.0006 of the native currency, without the paymaster's.
pub fn operation(version: EntryPointVersion) -> Value {
    let mut op = json!({
        "sender": "0x742d35cc6634c0532925a3b8d4521fb8d0000001",
        "nonce": "0x1",
        "callData": "0xb61d27f6",
        "callGasLimit": "0x186a0",
        "verificationGasLimit": "0x30d40",
        "preVerificationGas": "0xc350",
        "maxFeePerGas": "0x77359400",
        "maxPriorityFeePerGas": "0x3b9aca00",
        "signature": "0x",
    });
    if version == EntryPointVersion::V06 {
        op["initCode"] = "0x".into();
    }
    op
}
