//! The JSON of every request and answer on the wire.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be done fails")]

mod admin;
mod status;

use std::fmt::Debug;

use kms_api::accounts::{Account, CreateAccount, CreatedAccount, Passkey};
use kms_api::messages::{Domain, Form, SignMessage, SignedMessage};
use kms_api::operations::{
    SignOperation, SignatureFormat, SignedOperation, SponsorOperation, SponsoredOperation, Terms, VerificationProof,
};
use kms_api::status::ProtectionReport;
use kms_api::webauthn::{BeginRegistration, FinishRegistration, RegistrationBegun, RegistrationFinished};
use kms_api::{ErrorBody, Reason, Refusal};
use proto::bytes::Bounded;
use proto::command::{CredentialId, PasskeyPublicKey, Protection, SignatureScheme};
use proto::{Address, Hash, Quantity, Signature, TeeId, UserOpHash};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ONE: Address = Address([0x11; 20]);
const TWO: Address = Address([0x22; 20]);
const TEE: TeeId = TeeId([0x1d; 32]);
const HASH: Hash = Hash([0xab; 32]);
const SIGNATURE: Signature = Signature { r: [1; 32], s: [2; 32], v: 27 };
const PUBLIC_KEY: PasskeyPublicKey = PasskeyPublicKey { x: [3; 32], y: [4; 32] };
const PROTECTION: ProtectionReport =
    ProtectionReport { storage: Protection::Hardware, rollback: Protection::SecureWorld, time: Protection::None };

fn one() -> String {
    format!("0x{}", "11".repeat(20))
}

fn two() -> String {
    format!("0x{}", "22".repeat(20))
}

fn tee() -> String {
    format!("0x{}", "1d".repeat(32))
}

fn hash() -> String {
    format!("0x{}", "ab".repeat(32))
}

fn signature() -> String {
    format!("0x{}{}1b", "01".repeat(32), "02".repeat(32))
}

fn public_key() -> String {
    format!("0x04{}{}", "03".repeat(32), "04".repeat(32))
}

fn protection() -> Value {
    json!({ "storage": "hardware", "rollback": "secureWorld", "time": "none" })
}

fn credential_id() -> CredentialId {
    Bounded::new(vec![0xfb, 0xff]).unwrap()
}

/// Serialises to that JSON, and parses back from it.
fn holds<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T, expected: &Value) {
    assert_eq!(&serde_json::to_value(value).unwrap(), expected);
    assert_eq!(&serde_json::from_value::<T>(expected.clone()).unwrap(), value);
}

/// The same; and an unknown field is refused by name.
fn holds_strictly<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T, expected: &Value) {
    holds(value, expected);
    let mut more = expected.clone();
    more["more"] = json!(1);
    let refused = serde_json::from_value::<T>(more).unwrap_err().to_string();
    assert!(refused.starts_with("unknown field `more`"), "{refused}");
}

#[test]
fn a_registration() {
    let begin = BeginRegistration { user_name: Some("alice".into()), ..BeginRegistration::default() };
    holds_strictly(&begin, &json!({ "userName": "alice" }));
    let begun = RegistrationBegun { registration_id: "id".into(), public_key: json!({}) };
    holds(&begun, &json!({ "registrationId": "id", "publicKey": {} }));
    let finish = FinishRegistration { registration_id: "id".into(), credential: json!({}) };
    holds_strictly(&finish, &json!({ "registrationId": "id", "credential": {} }));
    let finished =
        RegistrationFinished { registration_id: "id".into(), credential_id: credential_id(), verified: true };
    holds(&finished, &json!({ "registrationId": "id", "credentialId": "-_8", "verified": true }));
}

#[test]
fn an_account() {
    let create = CreateAccount { registration_id: "id".into(), ..CreateAccount::default() };
    holds_strictly(&create, &json!({ "registrationId": "id" }));
    let create = CreateAccount {
        account_id: Some("alice".parse().unwrap()),
        signature_scheme: Some(SignatureScheme::Raw),
        ..create
    };
    let expected = json!({ "registrationId": "id", "accountId": "alice", "signatureScheme": "raw" });
    holds_strictly(&create, &expected);
    let created = CreatedAccount {
        account_id: "alice".parse().unwrap(),
        owner_address: ONE,
        credential_id: credential_id(),
        public_key: PUBLIC_KEY,
        signature_scheme: SignatureScheme::Eip191,
        sender: Some(TWO),
        factory: None,
        salt: HASH,
        created: true,
    };
    let expected = json!({
        "accountId": "alice",
        "ownerAddress": one(),
        "credentialId": "-_8",
        "publicKey": public_key(),
        "signatureScheme": "eip191",
        "sender": two(),
        "factory": null,
        "salt": hash(),
        "created": true,
    });
    holds(&created, &expected);
    let account = Account {
        account_id: "alice".parse().unwrap(),
        owner_address: ONE,
        signature_scheme: SignatureScheme::Eip191,
        factory: Some(TWO),
        salt: Some(HASH),
        passkeys: vec![Passkey { credential_id: credential_id(), public_key: PUBLIC_KEY }],
    };
    let expected = json!({
        "accountId": "alice",
        "ownerAddress": one(),
        "signatureScheme": "eip191",
        "factory": two(),
        "salt": hash(),
        "passkeys": [{ "credentialId": "-_8", "publicKey": public_key() }],
    });
    holds(&account, &expected);
}

#[test]
fn an_operation() {
    let terms = Terms {
        paymaster: ONE,
        paymaster_verification_gas_limit: Quantity(60_000),
        paymaster_post_op_gas_limit: Quantity(0),
        valid_until: 2_000,
        valid_after: 1_000,
    };
    let sponsor = SponsorOperation {
        user_operation: json!({}),
        account_id: "alice".parse().unwrap(),
        signature_format: Some(SignatureFormat::Erc4337),
        user_signature: None,
        user_public_key: Some(PUBLIC_KEY),
        business_validation: None,
        nonce: Quantity(26),
        timestamp: 1_500,
        entry_point: Some(TWO),
        chain_id: Some(Quantity(31_337)),
        terms,
    };
    let mut expected = json!({
        "userOperation": {},
        "accountId": "alice",
        "signatureFormat": "erc4337",
        "userSignature": null,
        "userPublicKey": public_key(),
        "businessValidation": null,
        "nonce": "0x1a",
        "timestamp": 1_500,
        "entryPoint": two(),
        "chainId": "0x7a69",
        "terms": {
            "paymaster": one(),
            "paymasterVerificationGasLimit": "0xea60",
            "paymasterPostOpGasLimit": "0x0",
            "validUntil": 2_000,
            "validAfter": 1_000,
        },
    });
    holds_strictly(&sponsor, &expected);
    let sign = SignOperation {
        user_operation: sponsor.user_operation.clone(),
        account_id: sponsor.account_id.clone(),
        signature_format: sponsor.signature_format,
        user_signature: json!({ "id": "-_8" }),
        user_public_key: sponsor.user_public_key,
        business_validation: None,
        nonce: sponsor.nonce,
        timestamp: sponsor.timestamp,
        entry_point: sponsor.entry_point,
        chain_id: sponsor.chain_id,
    };
    expected.as_object_mut().unwrap().remove("terms");
    expected["userSignature"] = json!({ "id": "-_8" });
    holds_strictly(&sign, &expected);
}

#[test]
fn numbers_are_read_in_both_forms_and_optional_fields_may_be_absent() {
    let terms = json!({
        "paymaster": one(),
        "paymasterVerificationGasLimit": 60_000,
        "paymasterPostOpGasLimit": "0x0",
        "validUntil": "0x7d0",
        "validAfter": 1_000,
    });
    let body = json!({ "userOperation": {}, "accountId": "alice", "nonce": 26, "timestamp": "0x5dc", "terms": terms });
    let read: SponsorOperation = serde_json::from_value(body).unwrap();
    assert_eq!((read.nonce, read.timestamp, read.terms.valid_until), (Quantity(26), 1_500, 2_000));
    assert_eq!((read.entry_point, read.chain_id, read.user_signature), (None, None, None));
}

#[test]
fn a_signed_operation() {
    let verification_proof = VerificationProof::new(true, 1_500);
    let proof = json!({
        "dualSignatureMode": true,
        "paymasterVerified": true,
        "userPasskeyVerified": true,
        "timestamp": 1_500,
    });
    let sponsored = SponsoredOperation {
        success: true,
        paymaster: Some(ONE),
        paymaster_verification_gas_limit: Some(Quantity(60_000)),
        paymaster_post_op_gas_limit: Some(Quantity(0)),
        paymaster_data: Some(Bounded::new(vec![1, 2]).unwrap()),
        paymaster_and_data: Bounded::new(vec![3, 4]).unwrap(),
        paymaster_signer: TWO,
        paymaster_signature: SIGNATURE,
        signature: None,
        user_op_hash: UserOpHash(HASH.0),
        tee_device_id: TWO,
        verification_proof,
    };
    let mut expected = json!({
        "success": true,
        "paymaster": one(),
        "paymasterVerificationGasLimit": "0xea60",
        "paymasterPostOpGasLimit": "0x0",
        "paymasterData": "0x0102",
        "paymasterAndData": "0x0304",
        "paymasterSigner": two(),
        "paymasterSignature": signature(),
        "signature": null,
        "userOpHash": hash(),
        "teeDeviceId": two(),
        "verificationProof": proof,
    });
    holds(&sponsored, &expected);
    let on_v06 = SponsoredOperation {
        paymaster: None,
        paymaster_verification_gas_limit: None,
        paymaster_post_op_gas_limit: None,
        paymaster_data: None,
        ..sponsored
    };
    for absent in ["paymaster", "paymasterVerificationGasLimit", "paymasterPostOpGasLimit", "paymasterData"] {
        expected.as_object_mut().unwrap().remove(absent);
    }
    holds(&on_v06, &expected);

    let signed = SignedOperation {
        success: true,
        signature: SIGNATURE,
        user_op_hash: UserOpHash(HASH.0),
        tee_device_id: TWO,
        verification_proof,
    };
    let expected = json!({
        "success": true,
        "signature": signature(),
        "userOpHash": hash(),
        "teeDeviceId": two(),
        "verificationProof": proof,
    });
    holds(&signed, &expected);
}

#[test]
fn a_message_to_sign_and_its_signature() {
    let domain = Domain {
        name: Bounded::new("Account".into()).unwrap(),
        version: Bounded::new("1".into()).unwrap(),
        chain_id: Quantity(31_337),
        verifying_contract: ONE,
        salt: None,
    };
    let nested = SignMessage {
        account_id: "alice".parse().unwrap(),
        message: Bounded::new(b"hi".to_vec()).unwrap(),
        form: Form::PersonalSign,
        domain: Some(domain.clone()),
        user_signature: json!({ "id": "-_8" }),
    };
    let mut domain_json = json!({ "name": "Account", "version": "1", "chainId": "0x7a69", "verifyingContract": one() });
    let mut expected = json!({
        "accountId": "alice",
        "message": "0x6869",
        "form": "personalSign",
        "domain": domain_json,
        "userSignature": { "id": "-_8" },
    });
    holds_strictly(&nested, &expected);
    expected["form"] = "eip191".into();
    expected.as_object_mut().unwrap().remove("domain");
    holds_strictly(&SignMessage { form: Form::Eip191, domain: None, ..nested }, &expected);
    domain_json["salt"] = hash().into();
    holds_strictly(&Domain { salt: Some(HASH), ..domain }, &domain_json);
    let signed =
        SignedMessage { success: true, signature: SIGNATURE, digest: HASH, owner_address: ONE, tee_device_id: TWO };
    let expected = json!({
        "success": true,
        "signature": signature(),
        "digest": hash(),
        "ownerAddress": one(),
        "teeDeviceId": two(),
    });
    holds(&signed, &expected);
}

#[test]
fn a_refusal() {
    let refusal = Refusal {
        reason: Reason::TeeBusy.into(),
        message: "the TEE is busy".into(),
        request_id: "1".into(),
        retryable: true,
    };
    let expected = json!({ "code": "tee_busy", "message": "the TEE is busy", "requestId": "1", "retryable": true });
    holds(&ErrorBody { error: refusal }, &json!({ "error": expected }));
}
