//! Refusals by the trusted application: approvals of another operation, by another key, or at
//! another origin.

use devkit::EntryPointVersion::{self, V07};
use devkit::SoftPasskey;
use devkit::passkey::SignCounter;
use serde_json::{Value, json};

use crate::support::{Setup, TeeAccount, World, increment};

on_every_version! { gas_changed_after_the_approval_is_refused }

async fn gas_changed_after_the_approval_is_refused(version: EntryPointVersion) {
    let world = World::start(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    for field in ["callGasLimit", "verificationGasLimit", "preVerificationGas", "maxFeePerGas"] {
        let params = json!([increment(&operation, field), account.id, assertion]);

        let refusal = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap_err();

        refusal.is_final(-32507, "challenge_mismatch");
    }
    let params = json!([operation, account.id, assertion]);
    assert!(world.rpc().call("pm_sponsor_with_tee", params).await.is_ok());
}

/// Field case 02: Firefox on Android writes the origin as `http:\/\/localhost`.
#[tokio::test]
async fn client_data_with_escapes_registers_and_approves() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create_with(&world, |behaviour| behaviour.escapes_slashes = true).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn an_approval_for_one_entry_point_is_invalid_for_another() {
    let mut ground = Setup::of(V07).prepare().await;
    let other = ground.deploy_besides(EntryPointVersion::V08).await.address();
    let world = ground.start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;

    let elsewhere = json!([operation, account.id, assertion, { "entryPoint": other }]);
    world.rpc().call("pm_sponsor_with_tee", elsewhere).await.unwrap_err().is_final(-32507, "challenge_mismatch");

    let there = json!([operation, account.id, { "entryPoint": other }]);
    let intent = world.rpc().call("pm_getSponsorshipIntent", there).await.unwrap();
    let assertion = account.passkey.assert(&intent["webauthn"]).unwrap();
    let there = json!([operation, account.id, assertion, { "entryPoint": other }]);
    assert!(world.rpc().call("pm_sponsor_with_tee", there).await.is_ok());
}

#[tokio::test]
async fn an_approval_for_another_account_is_refused() {
    let world = World::start(V07).await;
    let (mut mine, theirs) = (TeeAccount::create(&world).await, TeeAccount::create(&world).await);
    let operation = theirs.operation(&world).await;
    let assertion = mine.approve(&world, &operation).await;

    let params = json!([operation, theirs.id, assertion]);
    let refusal = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap_err();

    refusal.is_final(-32507, "credential_unknown");
}

#[tokio::test]
async fn an_approval_at_another_origin_is_refused() {
    refused("origin_not_allowed", |passkey| passkey.behaviour.origin = "http://localhost:3001".to_owned()).await;
}

#[tokio::test]
async fn an_approval_in_a_foreign_frame_is_refused() {
    refused("cross_origin", |passkey| passkey.behaviour.cross_origin = true).await;
}

#[tokio::test]
async fn an_approval_for_another_relying_party_is_refused() {
    refused("rp_id_mismatch", |passkey| passkey.behaviour.rp_id = "example.org".to_owned()).await;
}

#[tokio::test]
async fn an_approval_without_user_verification_is_refused() {
    refused("user_not_verified", |passkey| passkey.behaviour.user_verified = false).await;
}

#[tokio::test]
async fn an_approval_without_user_presence_is_refused() {
    refused("user_not_present", |passkey| passkey.behaviour.user_present = false).await;
}

#[tokio::test]
async fn a_registration_is_not_an_approval() {
    refused("client_data_type_wrong", |passkey| passkey.behaviour.ceremony_type = Some("webauthn.create".to_owned()))
        .await;
}

#[tokio::test]
async fn an_approval_by_another_key_under_the_same_credential_id_is_refused() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let mut assertion = account.approve(&world, &operation).await;
    let forged = TeeAccount::create(&world).await.approve_as(&world, &operation, &account.id).await;
    assertion["response"] = forged["response"].clone();

    let params = json!([operation, account.id, assertion]);
    let refusal = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap_err();

    refusal.is_final(-32507, "passkey_signature_invalid");
}

#[tokio::test]
async fn a_passkey_whose_counter_went_back_is_refused() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    account.passkey.behaviour.counter = SignCounter::Counting;
    account.passkey.set_sign_count(10);
    let operation = account.operation(&world).await;
    account.sponsored(&world, &operation).await.unwrap();

    account.passkey.set_sign_count(3);
    let other = increment(&operation, "callGasLimit");
    let refusal = account.sponsored(&world, &other).await.unwrap_err();

    refusal.is_final(-32507, "sign_count_decreased");
}

#[tokio::test]
async fn a_passkey_whose_counter_comes_again_is_refused_as_a_clone_and_a_repeated_request_is_not() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    account.passkey.behaviour.counter = SignCounter::Counting;
    account.passkey.set_sign_count(10);
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    let params = json!([operation, account.id, assertion]);
    let first = world.rpc().call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let again = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(again["userOperation"], first["userOperation"]);

    account.passkey.set_sign_count(10);
    let other = increment(&operation, "callGasLimit");
    let refusal = account.sponsored(&world, &other).await.unwrap_err();

    refusal.is_final(-32507, "sign_count_repeated");
}

#[tokio::test]
async fn an_older_approval_sent_again_gets_the_stored_answer_and_without_it_is_refused_as_older() {
    let mut world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    account.passkey.behaviour.counter = SignCounter::Counting;
    let operation = account.operation(&world).await;
    let older = json!([operation, account.id, account.approve(&world, &operation).await]);
    let first = world.rpc().call("pm_sponsor_with_tee", older.clone()).await.unwrap();
    account.sponsored(&world, &increment(&operation, "callGasLimit")).await.unwrap();

    let again = world.rpc().call("pm_sponsor_with_tee", older.clone()).await.unwrap();
    assert_eq!(again["userOperation"], first["userOperation"]);

    world.node.kill().await;
    for file in ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"] {
        // The last two are there as SQLite likes.
        let _ = std::fs::remove_file(world.file(file));
    }
    world.restart().await;
    let refusal = world.rpc().call("pm_sponsor_with_tee", older).await.unwrap_err();
    refusal.is_final(-32507, "sign_count_decreased");
    assert!(refusal.message.contains("the approval is older than the last one"), "{refusal:?}");
    account.sponsored(&world, &operation).await.unwrap();
}

/// A refusal by the trusted application, after which the honest approval of the same operation
/// still passes.
async fn refused(reason: &str, misbehave: impl FnOnce(&mut SoftPasskey)) {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let honest: Value = account.approve(&world, &operation).await;
    misbehave(&mut account.passkey);

    let refusal = account.sponsored(&world, &operation).await.unwrap_err();

    refusal.is_final(-32507, reason);
    let params = json!([operation, account.id, honest]);
    assert!(world.rpc().call("pm_sponsor_with_tee", params).await.is_ok());
}
