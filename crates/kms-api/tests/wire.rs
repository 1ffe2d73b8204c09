//! The JSON of every request and answer on the wire.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be done fails")]

use std::fmt::Debug;

use kms_api::accounts::{Account, CreateAccount, CreatedAccount, Passkey};
use kms_api::admin::{
    AuthorizeSigner, Ceilings, Deployment, Done, PreparePaymasterKey, Provision, RelyingParty, RevokeSigner,
    RotatePaymasterKey, RotateSigner, SetCeilings, Signer, Signers,
};
use kms_api::attestation::Attestation;
use kms_api::operations::{
    SignOperation, SignatureFormat, SignedOperation, SponsorOperation, SponsoredOperation, Terms, VerificationProof,
};
use kms_api::status::{
    AuditStats, Health, HealthStatus, ProtectionReport, QueueStatus, RollbackCounter, SERVICE, ServiceStatus, Stats,
    TaKey, TeeVersion, Version,
};
use kms_api::webauthn::{BeginRegistration, FinishRegistration, RegistrationBegun, RegistrationFinished};
use kms_api::{ErrorBody, Reason, Refusal};
use proto::bytes::Bounded;
use proto::command::{CredentialId, PasskeyPublicKey, Phase, Protection, SignatureScheme};
use proto::{Address, EntryPointVersion, Hash, Permissions, Quantity, Signature, TeeId, UserOpHash};
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

fn ceilings() -> (Ceilings, Value) {
    let version = EntryPointVersion::V07;
    let deployment = Deployment { chain_id: Quantity(31_337), entry_point: ONE, version, paymaster: TWO };
    let ceilings =
        Ceilings { deployments: vec![deployment], max_cost: Quantity(100), max_window: 3600, max_accounts: 9 };
    let deployment = json!({ "chainId": "0x7a69", "entryPoint": one(), "version": "0.7", "paymaster": two() });
    (ceilings, json!({ "deployments": [deployment], "maxCost": "0x64", "maxWindow": 3600, "maxAccounts": 9 }))
}

#[test]
fn commands_of_the_admin() {
    let (tee_id, counter, signature_) = (TEE, 5, SIGNATURE);
    let common = json!({ "teeId": tee(), "counter": 5, "signature": signature() });
    let with = |fields: Value| {
        let mut body = common.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let (bounds, bounds_json) = ceilings();
    let provision = Provision {
        tee_id,
        admin: ONE,
        relying_parties: vec![RelyingParty { id: "localhost".into(), origins: vec!["http://localhost".into()] }],
        ceilings: bounds.clone(),
        counter,
        signature: signature_,
    };
    let parties = json!([{ "id": "localhost", "origins": ["http://localhost"] }]);
    let expected = with(json!({ "admin": one(), "relyingParties": parties, "ceilings": bounds_json }));
    holds_strictly(&provision, &expected);
    let set_ceilings = SetCeilings { tee_id, ceilings: bounds, counter, signature: signature_ };
    holds_strictly(&set_ceilings, &with(json!({ "ceilings": bounds_json })));
    let permissions = Permissions::SPONSOR | Permissions::ROTATE;
    let authorize = AuthorizeSigner { tee_id, signer: ONE, permissions, counter, signature: signature_ };
    holds_strictly(&authorize, &with(json!({ "signer": one(), "permissions": ["sponsor", "rotate"] })));
    let revoke = RevokeSigner { tee_id, record: 2, authorised_as: ONE, counter, signature: signature_ };
    holds_strictly(&revoke, &with(json!({ "record": 2, "authorisedAs": one() })));
    holds_strictly(&PreparePaymasterKey { tee_id, counter, signature: signature_ }, &common);
    let rotate = RotatePaymasterKey { tee_id, next: ONE, counter, signature: signature_ };
    holds_strictly(&rotate, &with(json!({ "next": one() })));
    holds(&Done { success: true }, &json!({ "success": true }));
}

#[test]
fn a_rotation_of_a_relay_key() {
    let rotate = RotateSigner {
        tee_id: TEE,
        record: 2,
        rotation: 3,
        current: ONE,
        next: TWO,
        current_signature: SIGNATURE,
        next_signature: SIGNATURE,
        admin_signature: None,
    };
    let expected = json!({
        "teeId": tee(),
        "record": 2,
        "rotation": 3,
        "current": one(),
        "next": two(),
        "currentSignature": signature(),
        "nextSignature": signature(),
        "adminSignature": null,
    });
    holds_strictly(&rotate, &expected);
}

#[test]
fn signers() {
    let (bounds, bounds_json) = ceilings();
    let names = ["sponsor", "of_tomorrow"];
    let signer = Signer {
        record: 2,
        authorised_as: ONE,
        address: TWO,
        permissions: names.map(str::to_owned).to_vec(),
        rotations: 1,
    };
    let signers = Signers {
        tee_id: TEE,
        counter: 4,
        phase: Phase::Ready,
        admin: Some(ONE),
        paymaster_signer: Some(TWO),
        standby_paymaster_signer: None,
        signers: vec![signer],
        accounts: Some(3),
        max_accounts: Some(9),
        rp_id: Some("example.org".into()),
        ceilings: Some(bounds),
    };
    let record = json!({ "record": 2, "authorisedAs": one(), "address": two(), "permissions": names, "rotations": 1 });
    let expected = json!({
        "teeId": tee(),
        "counter": 4,
        "phase": "ready",
        "admin": one(),
        "paymasterSigner": two(),
        "standbyPaymasterSigner": null,
        "signers": [record],
        "accounts": 3,
        "maxAccounts": 9,
        "rpId": "example.org",
        "ceilings": bounds_json,
    });
    holds(&signers, &expected);
    // Fields that an earlier version of the gateway does not send are absent.
    let told = json!({ "teeId": tee(), "counter": 4, "phase": "ready", "signers": [] });
    let told: Signers = serde_json::from_value(told).unwrap();
    assert_eq!((told.rp_id, told.ceilings), (None, None));
}

#[test]
fn status() {
    let health = Health {
        service: ServiceStatus::new(HealthStatus::Healthy),
        tee_id: Some(TEE),
        tee_mode: "optee".into(),
        ta_key: Some(TaKey::Own),
        protection: Some(PROTECTION),
        phase: Some(Phase::Ready),
        version: "0.1.0".into(),
    };
    let mut expected = json!({
        "status": "healthy",
        "service": "super-relay-kms",
        "teeId": tee(),
        "teeMode": "optee",
        "taKey": "own",
        "protection": protection(),
        "phase": "ready",
        "version": "0.1.0",
    });
    holds(&health, &expected);
    let down = ServiceStatus::new(HealthStatus::Unhealthy(Reason::TeeBusy.into()));
    let down = Health { service: down, tee_id: None, ta_key: None, protection: None, phase: None, ..health };
    expected["status"] = "tee_busy".into();
    for unknown in ["teeId", "taKey", "protection", "phase"] {
        expected[unknown] = Value::Null;
    }
    holds(&down, &expected);

    let tee_version = TeeVersion {
        id: TEE,
        mode: "optee".into(),
        version: "0.1.0+own-key".into(),
        measurement: HASH,
        protection: PROTECTION,
    };
    let version = Version { service: SERVICE.into(), version: "0.1.0".into(), tee: tee_version };
    let tee_version = json!({
        "id": tee(),
        "mode": "optee",
        "version": "0.1.0+own-key",
        "measurement": hash(),
        "protection": protection(),
    });
    holds(&version, &json!({ "service": "super-relay-kms", "version": "0.1.0", "tee": tee_version }));

    let queue = QueueStatus {
        queue_depth: 1,
        estimated_wait_seconds: 0.5,
        average_wait_seconds: 0.25,
        circuit_breaker_open: true,
        consecutive_failures: 2,
        reopened: 3,
    };
    let queue_json = json!({
        "queue_depth": 1,
        "estimated_wait_seconds": 0.5,
        "average_wait_seconds": 0.25,
        "circuit_breaker_open": true,
        "consecutive_failures": 2,
        "reopened": 3,
    });
    holds(&queue, &queue_json);
    let stats = Stats { accounts: 2, audit: AuditStats { rows: 9, head: HASH }, queue };
    holds(&stats, &json!({ "accounts": 2, "audit": { "rows": 9, "head": hash() }, "queue": queue_json }));
    holds(&RollbackCounter { counter: 4 }, &json!({ "counter": 4 }));
}

#[test]
fn an_attestation() {
    let attestation = Attestation {
        nonce: HASH,
        tee_id: TEE,
        tee_mode: "optee".into(),
        version: "0.1.0".into(),
        measurement: HASH,
        counter: 2,
        admin: Some(ONE),
        paymaster_signer: Some(TWO),
        standby_paymaster_signer: None,
        challenge: HASH,
        quote: Some(Bounded::new(vec![1, 2]).unwrap()),
        quote_status: "present".into(),
        ta_key: None,
        protection: PROTECTION,
    };
    let expected = json!({
        "nonce": hash(),
        "teeId": tee(),
        "teeMode": "optee",
        "version": "0.1.0",
        "measurement": hash(),
        "counter": 2,
        "admin": one(),
        "paymasterSigner": two(),
        "standbyPaymasterSigner": null,
        "challenge": hash(),
        "quote": "0x0102",
        "quoteStatus": "present",
        "taKey": null,
        "protection": protection(),
    });
    holds(&attestation, &expected);
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
