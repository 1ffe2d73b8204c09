//! Commands that are refused or have no effect, and what they cost.

use std::sync::Arc;

use kms_api::Route as _;
use kms_api::admin;
use proto::command::AuthorizeSigner;
use proto::{Permissions, TeeId};
use serde_json::{Value, json};

use super::UNSIGNED;
use crate::support::{Gate, GatedTee, Kms, RelayKey, until};

#[tokio::test]
async fn a_command_that_the_admin_did_not_sign_is_refused() {
    let kms = Kms::start().await;
    let stranger = RelayKey::random();
    let mut body = kms.authorization(&stranger, &["sponsor"]).await;
    body["permissions"] = json!(["sponsor", "rotate"]);
    kms.post("/admin/authorize-signer", &body).await.refused(403, "admin_signature_invalid");
    let signers = kms.get("/admin/signers").await.ok();
    assert_eq!(signers["signers"].as_array().unwrap().len(), 1);
}

/// Commands without a valid signature, or already used.
async fn forged(kms: &Kms) -> Vec<(&'static str, Value, u16, &'static str)> {
    let stranger = RelayKey::random();
    let signer = stranger.address().to_string();
    let signature = stranger.personal_sign(&[7; 32]).to_string();
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await + 1);
    let none = json!({ "deployments": [], "maxCost": 1, "maxWindow": 1, "maxAccounts": 1 });
    let with = |mut fields: Value| {
        fields["teeId"] = tee_id.to_string().into();
        fields["counter"] = counter.into();
        fields["signature"] = signature.clone().into();
        fields
    };
    let provisioning = with(json!({ "admin": signer, "relyingParties": [], "ceilings": none }));
    let mut rotation = kms.rotation(&kms.relay, &stranger).await;
    rotation["currentSignature"] = signature.clone().into();
    let mut elsewhere = kms.rotation(&kms.relay, &stranger).await;
    elsewhere["teeId"] = TeeId([1; 32]).to_string().into();
    let mut revocation = kms.revocation(&kms.relay).await;
    revocation["signature"] = signature.clone().into();
    let authorisation = with(json!({ "signer": signer, "permissions": ["sponsor"] }));
    let ceilings = with(json!({ "ceilings": none }));
    let mut for_another = ceilings.clone();
    for_another["teeId"] = TeeId([1; 32]).to_string().into();
    vec![
        ("prepare-paymaster-key", with(json!({})), 403, "admin_signature_invalid"),
        ("rotate-paymaster-key", with(json!({ "next": signer })), 403, "admin_signature_invalid"),
        ("set-ceilings", for_another, 403, "tee_id_mismatch"),
        ("rotate-signer", elsewhere, 403, "tee_id_mismatch"),
        ("provision", provisioning, 409, "already_provisioned"),
        ("authorize-signer", authorisation, 403, "admin_signature_invalid"),
        ("revoke-signer", revocation, 403, "admin_signature_invalid"),
        ("rotate-signer", rotation, 403, "rotation_proof_invalid"),
        ("set-ceilings", ceilings, 403, "admin_signature_invalid"),
    ]
}

#[tokio::test]
async fn forged_and_old_commands_are_refused_without_waiting_a_tee_call_or_a_row() {
    let gate = Gate::default();
    let kms = Kms::over_tee(Arc::new(GatedTee::start(8, gate.clone()))).await;
    let key = RelayKey::random();
    let once = kms.authorization(&key, &["sponsor"]).await;
    kms.post("/admin/authorize-signer", &once).await.ok();
    let forged = forged(&kms).await;
    kms.post("/admin/authorize-signer", &once).await.refused(409, "counter_mismatch");
    let before = kms.verify_audit().await.unwrap();

    // A command of the admin is in progress, and the TEE does not answer.
    let real = kms.revocation(&key).await;
    gate.shut();
    let under_way = tokio::spawn(kms.client.post(format!("{}/admin/revoke-signer", kms.url)).json(&real).send());
    until(async || kms.gateway.queue_stats().depth == 1).await;
    for _ in 0..20 {
        for (route, body, status, code) in &forged {
            kms.post(&format!("/admin/{route}"), body).await.refused(*status, code);
        }
        kms.post("/admin/authorize-signer", &once).await.refused(409, "counter_mismatch");
    }
    assert_eq!(kms.gateway.queue_stats().depth, 1);
    assert!(!under_way.is_finished());
    gate.open();
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
    let after = kms.verify_audit().await.unwrap();
    assert_eq!(after.rows, before.rows + 1);
    assert!(kms.decided("authorize_signer", "admin_signature_invalid") >= 20.0);
}

#[tokio::test]
async fn a_rotation_that_the_tee_would_always_refuse_is_refused_immediately_without_a_row() {
    let kms = Kms::start().await;
    let (next, other) = (RelayKey::random(), RelayKey::random());
    kms.authorize(&other, &["sponsor"]).await.ok();
    let never = [
        (kms.rotation_number(1_000_000, &kms.relay, &next).await, "counter_mismatch"),
        (kms.rotation(&kms.relay, &other).await, "signer_already_authorised"),
    ];
    let before = kms.verify_audit().await.unwrap();
    for _ in 0..20 {
        for (rotation, code) in &never {
            kms.post("/admin/rotate-signer", rotation).await.refused(409, code);
        }
    }
    assert_eq!(kms.verify_audit().await.unwrap(), before);
    kms.post("/admin/rotate-signer", &kms.rotation(&kms.relay, &next).await).await.ok();
}

#[tokio::test]
async fn a_command_without_effect_costs_no_tee_call_and_has_one_row() {
    let kms = Kms::start().await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let (rows, calls) = (kms.verify_audit().await.unwrap().rows, kms.calls_of("AuthorizeSigner"));
    let rows_since = async || kms.verify_audit().await.unwrap().rows - rows;
    let again = kms.authorization(&key, &["sponsor"]).await;
    for _ in 0..20 {
        kms.post("/admin/authorize-signer", &again).await.refused(409, "signer_already_authorised");
    }
    assert_eq!(rows_since().await, 1);
    // Others for the same counter, all signed by the admin.
    for number in 0..40 {
        kms.rotate_paymaster_key(proto::Address([number; 20])).await.refused(409, "standby_key_mismatch");
    }
    assert_eq!(rows_since().await, 16);
    assert_eq!((kms.calls_of("AuthorizeSigner"), kms.calls_of("RotatePaymasterKey")), (calls, 0));
    kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
    assert_eq!(rows_since().await, 17);
}

#[tokio::test]
async fn keys_with_another_role_are_refused_as_relay_keys() {
    let kms = Kms::start().await;
    let standby = kms.prepare_paymaster_key().await;
    let paymaster_signer = kms.gateway.provisioned().await.unwrap().paymaster_signer;
    for signer in [proto::Address::default(), kms.admin.address(), paymaster_signer, standby] {
        let (tee_id, counter, permissions) = (kms.tee_id().await, kms.counter().await + 1, Permissions::SPONSOR);
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = kms.admin.sign(&command);
        let body = json!(admin::AuthorizeSigner::from(&command));
        kms.post(admin::AuthorizeSigner::PATH, &body).await.refused(409, "signer_reserved");
    }
}

#[tokio::test]
async fn a_command_signed_ahead_gets_no_row_until_its_counter_is_next() {
    let kms = Kms::start().await;
    let counter = kms.counter().await;
    let ahead = kms.authorization_for(counter + 2, &RelayKey::random(), &["sponsor"]).await;
    let before = kms.verify_audit().await.unwrap();
    for _ in 0..20 {
        kms.post("/admin/authorize-signer", &ahead).await.refused(409, "counter_mismatch");
    }
    assert_eq!(kms.verify_audit().await.unwrap(), before);
    kms.authorize(&RelayKey::random(), &["sponsor"]).await.ok();
    kms.post("/admin/authorize-signer", &ahead).await.ok();
}

#[tokio::test]
async fn a_flood_of_forged_commands_does_not_delay_a_revocation() {
    let kms = Kms::start().await;
    let forged = forged(&kms).await;
    let key = RelayKey::random();
    kms.authorize(&key, &["sponsor"]).await.ok();
    let before = kms.verify_audit().await.unwrap();
    let flood: Vec<_> = (0..300)
        .map(|number| {
            let (route, body, ..) = &forged[number % forged.len()];
            tokio::spawn(kms.client.post(format!("{}/admin/{route}", kms.url)).json(body).send())
        })
        .collect();
    kms.revoke(&key).await.ok();
    for answer in flood {
        let status = answer.await.unwrap().unwrap().status();
        assert!([403, 409].contains(&status.as_u16()), "{status}");
    }
    assert_eq!(kms.verify_audit().await.unwrap().rows, before.rows + 1);
}

#[tokio::test]
async fn a_permission_that_does_not_exist_is_named() {
    let kms = Kms::start().await;
    let mut body = kms.authorization(&RelayKey::random(), &["sponsor"]).await;
    body["permissions"] = json!(["sponsor", "root"]);
    let error = kms.post("/admin/authorize-signer", &body).await.refused(400, "invalid_field");
    assert!(error["message"].as_str().unwrap().starts_with("permissions[1]"), "{error}");
}
