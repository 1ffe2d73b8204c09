//! The results of an approved request: both the paymaster's and the account's signature are valid.

use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, VerifyingKey};
use proto::digest::personal_message_hash;
use proto::paymaster::paymaster_digest;
use proto::{Address, EntryPointVersion, Hash, Signature};
use serde_json::{Value, json};

use crate::support::{Kms, SponsorRequest};

pub fn recover(hash: &Hash, signature: &Value) -> String {
    let Signature { r, s, v } = signature.as_str().unwrap().parse().unwrap();
    let ecdsa = EcdsaSignature::from_scalars(r, s).unwrap();
    let id = RecoveryId::from_byte(v - 27).unwrap();
    let key = VerifyingKey::recover_from_prehash(&hash.0, &ecdsa, id).unwrap();
    let point = key.to_sec1_point(false);
    Address::from_public_key(point.as_bytes()[1..].try_into().unwrap()).to_string()
}

#[tokio::test]
async fn an_approved_operation_is_signed_by_paymaster_and_account_on_every_entry_point() {
    let kms = Kms::start().await;
    for (nonce, version) in (0..).zip(EntryPointVersion::ALL) {
        let scheme = if version < EntryPointVersion::V08 { "eip191" } else { "raw" };
        let (passkey, registration_id) = kms.register().await;
        let create = json!({ "registrationId": registration_id, "signatureScheme": scheme });
        let account = kms.post("/kms/create-deterministic-account", &create).await.ok();
        let request = SponsorRequest { nonce, ..SponsorRequest::new(passkey, &account).on(version) };
        let request = request.signed(&kms.relay);
        let answer = kms.sponsor(&request).await.ok();

        let command = request.command();
        let digest = paymaster_digest(&command.op, &command.entry_point, &command.terms);
        let signers = kms.get("/admin/signers").await.ok();
        assert_eq!(recover(&Hash(digest.0), &answer["paymasterSignature"]), signers["paymasterSigner"]);
        assert_eq!(answer["teeDeviceId"], signers["paymasterSigner"]);

        let paymaster_signature = answer["paymasterSignature"].as_str().unwrap().parse().unwrap();
        let final_op = command.final_op(&paymaster_signature);
        let hash = final_op.hash(&command.entry_point);
        assert_eq!(answer["userOpHash"], hash.to_string());
        let signed = if scheme == "raw" { Hash(hash.0) } else { personal_message_hash(&hash.0) };
        assert_eq!(recover(&signed, &answer["signature"]), account["ownerAddress"]);

        let and_data = final_op.paymaster.as_ref().unwrap().and_data(version);
        assert_eq!(answer["paymasterAndData"], proto::json::hex_bytes(&and_data));
        assert_eq!(answer.get("paymasterData").is_some(), version > EntryPointVersion::V06);
        let proof = json!({
            "dualSignatureMode": true,
            "paymasterVerified": true,
            "userPasskeyVerified": true,
            "timestamp": request.timestamp,
        });
        assert_eq!(answer["verificationProof"], proof);
    }
}

#[tokio::test]
async fn the_same_approval_gives_the_same_bytes_again() {
    let kms = Kms::start().await;
    let request = kms.honest_request().await;
    let first = kms.sponsor(&request).await.ok();
    let second = kms.sponsor(&request.next(&kms.relay)).await.ok();
    assert_eq!(first, second);
}

#[tokio::test]
async fn an_operation_with_its_paymaster_is_signed_as_given() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let mut request = SponsorRequest::new(passkey, &account);
    request.op["paymaster"] = "0x1111111111111111111111111111111111111111".into();
    request.op["paymasterVerificationGasLimit"] = "0x1000".into();
    request.op["paymasterPostOpGasLimit"] = "0x0".into();
    request.op["paymasterData"] = "0x1234".into();
    let request = request.signed_as_given(&kms.relay);
    let answer = kms.send(request.to_be_signed(&kms)).await.ok();
    let hash = request.sign_command().op.hash(&request.entry_point);
    assert_eq!(answer["userOpHash"], hash.to_string());
    assert_eq!(recover(&personal_message_hash(&hash.0), &answer["signature"]), account["ownerAddress"]);
}

#[tokio::test]
async fn a_relay_key_with_that_permission_sponsors_without_a_passkey_and_gets_no_account_signature() {
    let kms = Kms::start().await;
    let (passkey, account) = kms.account().await;
    let key = crate::support::RelayKey::random();
    kms.authorize(&key, &["sponsor", "sponsor_without_passkey"]).await.ok();
    let mut request = SponsorRequest::new(passkey, &account);
    request.approve_as_relay(&key);
    let answer = kms.sponsor(&request).await.ok();
    assert_eq!(answer["signature"], Value::Null);
    assert_eq!(answer["verificationProof"]["userPasskeyVerified"], false);
    assert_eq!(answer["verificationProof"]["dualSignatureMode"], false);
}
